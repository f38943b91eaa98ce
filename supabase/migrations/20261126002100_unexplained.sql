-- Batteries that acknowledge what was never said to them: our database went back in time, or somebody else commands them.

CREATE TABLE fleet.unexplained_acknowledgements (
    thing_name text PRIMARY KEY REFERENCES fleet.devices,
    claimed_sequence bigint NOT NULL,
    told_sequence bigint NOT NULL,
    times integer NOT NULL DEFAULT 1,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL
);
COMMENT ON TABLE fleet.unexplained_acknowledgements IS
    'A row a battery: what it claimed to have last, and the last that it was told then.';
ALTER TABLE fleet.unexplained_acknowledgements ENABLE ROW LEVEL SECURITY;
GRANT SELECT ON fleet.unexplained_acknowledgements TO authenticated;
CREATE POLICY operator_reads ON fleet.unexplained_acknowledgements FOR SELECT TO authenticated
    USING ((SELECT fleet.is_operator()));

CREATE FUNCTION public.unexplained_overview() RETURNS TABLE (
    thing_name text, claimed_sequence bigint, told_sequence bigint, times integer, last_at timestamptz
)
LANGUAGE plpgsql STABLE SET search_path = ''
AS $$
BEGIN
    PERFORM fleet.require_operator();
    RETURN QUERY
    SELECT unexplained.thing_name, unexplained.claimed_sequence, unexplained.told_sequence, unexplained.times,
        unexplained.last_at
    FROM fleet.unexplained_acknowledgements AS unexplained WHERE unexplained.last_at > now() - interval '30 days'
    ORDER BY unexplained.last_at DESC, unexplained.thing_name LIMIT 100;
END
$$;
COMMENT ON FUNCTION public.unexplained_overview IS
    'For operators: batteries that in the last 30 days acknowledged what was never said to them, newest first. PT403.';
REVOKE ALL ON FUNCTION public.unexplained_overview() FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.unexplained_overview() TO authenticated;
