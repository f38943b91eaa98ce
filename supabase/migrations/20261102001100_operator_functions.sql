-- What an operator sees of the whole fleet, under their own rights: the policies let operators read these tables.

CREATE FUNCTION public.fleet_overview(p_search text DEFAULT '', p_limit integer DEFAULT 100, p_offset integer DEFAULT 0)
RETURNS TABLE (
    thing_name text, model text, step text, owner_email text, registered_at timestamptz, commission_status text,
    commission_message text, last_seen timestamptz, measured_at timestamptz, is_online boolean, is_fresh boolean,
    mode text, state_of_charge_pct double precision, grid_online boolean, clock_skew_s double precision,
    total_count bigint
)
LANGUAGE plpgsql STABLE SET search_path = ''
AS $$
DECLARE
    wanted text := lower(btrim(coalesce(p_search, '')));
BEGIN
    PERFORM fleet.require_operator();
    RETURN QUERY
    SELECT device.thing_name, device.model, device.step::text, account.email, owned.registered_at,
        owned.commission_status::text, owned.commission_message, latest.received_at, latest.measured_at,
        coalesce(latest.received_at > now() - interval '5 minutes', false),
        coalesce(latest.received_at > now() - interval '5 minutes' AND abs(latest.clock_skew_s) < 600, false),
        latest.mode::text, latest.state_of_charge_pct, latest.grid_online, latest.clock_skew_s, count(*) OVER ()
    FROM fleet.devices AS device
    LEFT JOIN fleet.registrations AS owned ON owned.thing_name = device.thing_name
    LEFT JOIN fleet.accounts() AS account ON account.user_id = owned.owner_id
    LEFT JOIN fleet.telemetry_latest AS latest ON latest.thing_name = device.thing_name
    WHERE strpos(lower(concat_ws(' ', device.thing_name, device.model, account.email)), wanted) > 0
    ORDER BY device.thing_name
    LIMIT greatest(0, least(coalesce(p_limit, 100), 1000)) OFFSET greatest(0, coalesce(p_offset, 0));
END
$$;
COMMENT ON FUNCTION public.fleet_overview IS
    'For operators: every device in the ledger whose name, model or owner''s address holds p_search. is_online: heard of '
    'within 5 minutes. is_fresh: online, and its newest sample was measured within 10 minutes of its arrival (a backlog '
    'or a wrong clock is not). total_count: how many match in all; 1000 rows at most. PT403.';

CREATE FUNCTION public.quarantine_overview() RETURNS TABLE (
    reason text, messages bigint, oldest_at timestamptz, newest_at timestamptz, newest_detail text,
    newest_thing_name text
)
LANGUAGE plpgsql STABLE SET search_path = ''
AS $$
BEGIN
    PERFORM fleet.require_operator();
    RETURN QUERY
    SELECT waiting.reason, count(*), min(waiting.quarantined_at), max(waiting.quarantined_at),
        (array_agg(waiting.detail ORDER BY waiting.quarantine_id DESC))[1],
        (array_agg(waiting.thing_name ORDER BY waiting.quarantine_id DESC))[1]
    FROM fleet.quarantine AS waiting WHERE waiting.replayed_at IS NULL
    GROUP BY waiting.reason ORDER BY 2 DESC, 1;
END
$$;
COMMENT ON FUNCTION public.quarantine_overview IS
    'For operators: what waits in the quarantine, by reason, with the newest one''s detail. PT403.';

REVOKE ALL ON FUNCTION public.fleet_overview(text, integer, integer), public.quarantine_overview()
FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.fleet_overview(text, integer, integer), public.quarantine_overview() TO authenticated;
