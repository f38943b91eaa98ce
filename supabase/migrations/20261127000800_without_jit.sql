-- PostgreSQL takes a chunk for a thousand samples, so what reads a few dozen looks dear enough to be compiled first (jit):
-- seconds for milliseconds of work, above the time that a request may take. Nothing here gains by it.
DO $$
DECLARE
    target regprocedure;
BEGIN
    -- Those that have settings of their own already; the others are put into the query that calls them, whole.
    FOR target IN
        SELECT oid FROM pg_catalog.pg_proc
        WHERE pronamespace IN ('fleet'::regnamespace, 'public'::regnamespace) AND proconfig IS NOT NULL AND prokind = 'f'
            AND pg_catalog.pg_get_userbyid(proowner) = current_user
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET jit = off', target);
    END LOOP;
END
$$;
