"""A stand-in for a Supabase project: the parts of Auth and REST that supabase-py uses, in front of PostgreSQL.

`docs/supabase.md` says what is served and how it differs. It listens on loopback only.
"""
