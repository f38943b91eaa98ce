"""Supabase: a visitor's session, and its error codes turned into ours."""
