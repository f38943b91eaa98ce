-- What a Supabase project has before its first migration: roles, the auth schema and default privileges.
-- Idempotent, run at each start by the role that also runs the migrations.

DO $$
DECLARE
    wanted record;
BEGIN
    FOR wanted IN
        SELECT * FROM (VALUES
            ('anon', 'NOLOGIN NOINHERIT'),
            ('authenticated', 'NOLOGIN NOINHERIT'),
            ('service_role', 'NOLOGIN NOINHERIT BYPASSRLS'),
            ('authenticator', 'LOGIN NOINHERIT NOCREATEDB NOCREATEROLE NOSUPERUSER'),
            ('supabase_auth_admin', 'LOGIN NOINHERIT NOCREATEDB NOCREATEROLE NOSUPERUSER')
        ) AS roles (name, attributes)
    LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I %s', wanted.name, wanted.attributes);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            -- Roles belong to the cluster: another database of it, or a migration, made this one.
            EXECUTE format('ALTER ROLE %I %s', wanted.name, wanted.attributes);
        END;
    END LOOP;
END
$$;

GRANT anon, authenticated, service_role TO authenticator;
ALTER ROLE authenticator SET statement_timeout = '8s';
ALTER ROLE authenticator SET lock_timeout = '8s';
ALTER ROLE supabase_auth_admin SET statement_timeout = '8s';
ALTER ROLE supabase_auth_admin SET idle_in_transaction_session_timeout = '60s';

CREATE SCHEMA IF NOT EXISTS extensions;
GRANT USAGE ON SCHEMA extensions TO anon, authenticated, service_role;

CREATE SCHEMA IF NOT EXISTS auth;
GRANT USAGE ON SCHEMA auth TO anon, authenticated, service_role, supabase_auth_admin;

CREATE TABLE IF NOT EXISTS auth.users (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    aud varchar(255) NOT NULL DEFAULT 'authenticated',
    role varchar(255) NOT NULL DEFAULT 'authenticated',
    email varchar(255),
    phone text,
    email_confirmed_at timestamptz,
    confirmed_at timestamptz GENERATED ALWAYS AS (email_confirmed_at) STORED,
    last_sign_in_at timestamptz,
    raw_app_meta_data jsonb NOT NULL DEFAULT '{}',
    raw_user_meta_data jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    is_sso_user boolean NOT NULL DEFAULT false,
    is_anonymous boolean NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX IF NOT EXISTS users_email_key ON auth.users (email);

CREATE TABLE IF NOT EXISTS auth.sessions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL REFERENCES auth.users ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    refreshed_at timestamptz,
    aal text NOT NULL DEFAULT 'aal1'
);
CREATE INDEX IF NOT EXISTS sessions_user_id_idx ON auth.sessions (user_id);

CREATE TABLE IF NOT EXISTS auth.refresh_tokens (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token text NOT NULL UNIQUE,
    parent text,
    session_id uuid NOT NULL REFERENCES auth.sessions ON DELETE CASCADE,
    revoked boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN auth.refresh_tokens.token IS 'SHA-256 of the token; the token itself is stored nowhere.';
CREATE INDEX IF NOT EXISTS refresh_tokens_session_id_idx ON auth.refresh_tokens (session_id);

CREATE TABLE IF NOT EXISTS auth.one_time_tokens (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL UNIQUE REFERENCES auth.users ON DELETE CASCADE,
    token_type text NOT NULL CHECK (token_type IN ('confirmation_token', 'recovery_token')),
    relates_to text NOT NULL,
    token_hash text NOT NULL UNIQUE,
    code_hash text NOT NULL,
    wrong_tries smallint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN auth.one_time_tokens.code_hash IS 'Keyed hash of the code in the mail; the code is stored nowhere.';

-- One row a mail, kept for an hour: what the caps are counted on, whether or not the address has an account.
CREATE TABLE IF NOT EXISTS auth.mail_requests (
    address text NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS mail_requests_address_idx ON auth.mail_requests (address, requested_at);

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA auth TO supabase_auth_admin;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA auth TO supabase_auth_admin;

CREATE OR REPLACE FUNCTION auth.jwt() RETURNS jsonb LANGUAGE sql STABLE
AS $$ SELECT nullif(current_setting('request.jwt.claims', true), '')::jsonb $$;
COMMENT ON FUNCTION auth.jwt() IS 'The claims of the token that the request came with; NULL outside a request.';

CREATE OR REPLACE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE
AS $$ SELECT (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid $$;
COMMENT ON FUNCTION auth.uid() IS 'The id of the signed-in user; NULL for anon and outside a request.';

CREATE OR REPLACE FUNCTION auth.role() RETURNS text LANGUAGE sql STABLE
AS $$ SELECT nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role' $$;
COMMENT ON FUNCTION auth.role() IS 'The role claim of the token: anon, authenticated or service_role.';

CREATE OR REPLACE FUNCTION auth.email() RETURNS text LANGUAGE sql STABLE
AS $$ SELECT nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'email' $$;
COMMENT ON FUNCTION auth.email() IS 'The mail address of the signed-in user; NULL for anon and outside a request.';

GRANT USAGE ON SCHEMA public TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON SEQUENCES TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON FUNCTIONS TO anon, authenticated, service_role;
