-- The schema of the fleet. It is not exposed by the REST API; what the app may reach is granted one by one.

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

CREATE TYPE fleet.battery_mode AS ENUM (
    'BACKUP', 'CHARGE', 'DISCHARGE', 'SAVINGS', 'SELF_CONSUMPTION', 'STANDBY'
);
