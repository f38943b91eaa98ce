"""Supabase REST (PostgREST) under /rest/v1: requests turned into SQL that runs under the role of their token."""
