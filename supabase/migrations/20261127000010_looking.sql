-- A homeowner who looks at a battery has it report every few seconds, for two minutes after the last look.

CREATE TABLE fleet.looks (
    thing_name text PRIMARY KEY REFERENCES fleet.devices (thing_name),
    until timestamptz NOT NULL,
    told_until timestamptz
);
COMMENT ON TABLE fleet.looks IS
    'Batteries that somebody looks at: until when they are to report often, and until when they were told to.';
CREATE INDEX looks_to_tell ON fleet.looks (until) WHERE told_until IS DISTINCT FROM until; -- asked for each second
ALTER TABLE fleet.looks ENABLE ROW LEVEL SECURITY;

CREATE FUNCTION public.look_at_battery(p_thing_name text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
    user_id uuid := fleet.require_user();
BEGIN
    PERFORM FROM fleet.registrations WHERE thing_name = p_thing_name AND (owner_id = user_id OR fleet.is_operator());
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'PT404', MESSAGE = 'No such battery is registered to you.';
    END IF;
    INSERT INTO fleet.looks AS look (thing_name, until) VALUES (p_thing_name, now() + interval '2 minutes')
    ON CONFLICT (thing_name) DO UPDATE SET until = excluded.until WHERE look.until < now() + interval '1 minute';
    IF FOUND THEN
        PERFORM pg_notify('commands', p_thing_name);
    END IF;
END
$$;
COMMENT ON FUNCTION public.look_at_battery IS
    'Has a battery of the caller''s report every few seconds for two minutes; however often it is asked, once a minute. PT404.';

REVOKE ALL ON FUNCTION public.look_at_battery(text) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.look_at_battery(text) TO authenticated;
