-- The schema of the fleet, and who is asking: row-level security and the functions of the REST API build on this.
--
-- The schema is not exposed by the REST API; what the app may reach is granted one by one. PostgREST (and the embedded
-- stand-in) put the claims of the request's token into `request.jwt.claims`. Reading that setting, and not Supabase's
-- schema `auth`, lets the migrations apply on a plain PostgreSQL too.

DO $$
DECLARE
    role_name text;
BEGIN
    -- A Supabase project has these roles; a plain PostgreSQL gets them here.
    FOREACH role_name IN ARRAY ARRAY['anon', 'authenticated', 'service_role'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN NOINHERIT', role_name);
        END IF;
    END LOOP;
END
$$;

CREATE SCHEMA fleet;
REVOKE ALL ON SCHEMA fleet FROM PUBLIC;

CREATE FUNCTION fleet.claims() RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT nullif(current_setting('request.jwt.claims', true), '')::jsonb $$;
COMMENT ON FUNCTION fleet.claims IS 'The claims of the request''s token; NULL outside a request.';

CREATE FUNCTION fleet.current_user_id() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT (fleet.claims() ->> 'sub')::uuid
    WHERE fleet.claims() ->> 'role' = 'authenticated'
      AND fleet.claims() ->> 'is_anonymous' IS DISTINCT FROM 'true'
$$;
COMMENT ON FUNCTION fleet.current_user_id IS
    'The account that is signed in; NULL for visitors, for Supabase''s anonymous sign-ins and outside a request.';

CREATE FUNCTION fleet.is_operator() RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT fleet.current_user_id() IS NOT NULL
       AND coalesce(fleet.claims() -> 'app_metadata' ->> 'role' = 'operator', false)
$$;
COMMENT ON FUNCTION fleet.is_operator IS
    'Whether the account carries app_metadata.role = operator, which users cannot set themselves.';

CREATE FUNCTION fleet.require_user() RETURNS uuid
LANGUAGE plpgsql STABLE SET search_path = ''
AS $$
BEGIN
    IF fleet.current_user_id() IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'PT401', MESSAGE = 'You are signed out: sign in again.';
    END IF;
    RETURN fleet.current_user_id();
END
$$;
COMMENT ON FUNCTION fleet.require_user IS 'The account that is signed in, or PT401.';

CREATE FUNCTION fleet.require_operator() RETURNS uuid
LANGUAGE plpgsql STABLE SET search_path = ''
AS $$
BEGIN
    IF NOT fleet.is_operator() THEN
        RAISE EXCEPTION USING ERRCODE = 'PT403', MESSAGE = 'Only an operator may do this: ask the one who runs the fleet.';
    END IF;
    RETURN fleet.current_user_id();
END
$$;
COMMENT ON FUNCTION fleet.require_operator IS 'The operator who is signed in, or PT403.';

-- The REST API's role may look into the schema; what it finds there is granted table by table, column by column.
GRANT USAGE ON SCHEMA fleet TO authenticated;

-- Functions are everybody's unless they are taken back.
REVOKE ALL ON FUNCTION
    fleet.claims(), fleet.current_user_id(), fleet.is_operator(), fleet.require_user(), fleet.require_operator()
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    fleet.claims(), fleet.current_user_id(), fleet.is_operator(), fleet.require_user(), fleet.require_operator()
TO authenticated;
