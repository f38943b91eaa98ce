"""Supabase Auth (GoTrue) under /auth/v1: codes by mail, sessions, users, and their administration."""
