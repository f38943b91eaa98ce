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

CREATE FUNCTION public.webhook_overview() RETURNS TABLE (
    outcome text, webhooks bigint, newest_at timestamptz, newest_detail text
)
LANGUAGE plpgsql STABLE SET search_path = ''
AS $$
DECLARE
    since CONSTANT timestamptz := now() - interval '7 days';
BEGIN
    PERFORM fleet.require_operator();
    RETURN QUERY
    SELECT 'refused: ' || webhook.reason, count(*), max(webhook.refused_at),
        (array_agg(webhook.detail ORDER BY webhook.refused_at DESC))[1]
    FROM fleet.refused_webhooks AS webhook WHERE webhook.refused_at > since GROUP BY webhook.reason
    UNION ALL
    SELECT webhook.outcome, count(*), max(webhook.processed_at),
        (array_agg(webhook.detail ORDER BY webhook.processed_at DESC))[1]
    FROM fleet.flip_webhooks AS webhook WHERE webhook.processed_at > since GROUP BY webhook.outcome
    ORDER BY 1;
END
$$;
COMMENT ON FUNCTION public.webhook_overview IS
    'For operators: what became of Flip''s webhooks in the last 7 days, refused ones by reason; no bodies. PT403.';

REVOKE ALL ON FUNCTION
    public.fleet_overview(text, integer, integer), public.quarantine_overview(), public.webhook_overview()
FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION
    public.fleet_overview(text, integer, integer), public.quarantine_overview(), public.webhook_overview()
TO authenticated;

-- What operators see of dispatches: commands of one start, end and mode, to many batteries. Under their own rights.

CREATE FUNCTION fleet.report_standing(
    p_revised_at timestamptz, p_revision integer, p_reported text, p_reported_revision integer, p_reported_at timestamptz
) RETURNS text
LANGUAGE sql STABLE
AS $$
    SELECT CASE
        WHEN p_reported_revision IS NOT DISTINCT FROM p_revision AND p_reported IS NOT NULL
            THEN CASE WHEN p_reported_at > p_revised_at + interval '15 minutes' THEN 'late' ELSE 'in_time' END
        WHEN now() > p_revised_at + interval '15 minutes' THEN 'overdue'
        ELSE 'waiting'
    END
$$;
COMMENT ON FUNCTION fleet.report_standing IS
    'Whether Flip was told of a command''s current revision within its 15 minutes: in_time, late, waiting, overdue.';

CREATE FUNCTION public.dispatch_overview(p_limit integer DEFAULT 50, p_offset integer DEFAULT 0) RETURNS TABLE (
    starts_at timestamptz, ends_at timestamptz, mode text, devices bigint, delivered bigint, acknowledged bigint,
    running bigint, done bigint, failed bigint, canceled bigint, opted_out bigint, superseded bigint, expired bigint,
    reported bigint, reported_late bigint, total_count bigint
)
LANGUAGE plpgsql STABLE SET search_path = ''
AS $$
BEGIN
    PERFORM fleet.require_operator();
    RETURN QUERY
    SELECT command.starts_at, command.ends_at, command.mode, count(*), count(command.delivered_at),
        count(command.acknowledged_at), count(*) FILTER (WHERE command.state = 'running'),
        count(*) FILTER (WHERE command.state = 'done'), count(*) FILTER (WHERE command.state = 'failed'),
        count(*) FILTER (WHERE command.flip_status = 'CANCELED'),
        count(*) FILTER (WHERE command.flip_status = 'OPT_OUT'),
        count(*) FILTER (WHERE command.state = 'superseded'), count(*) FILTER (WHERE command.state = 'expired'),
        count(*) FILTER (WHERE standing.word IN ('in_time', 'late')),
        count(*) FILTER (WHERE standing.word IN ('late', 'overdue')), count(*) OVER ()
    FROM fleet.commands AS command
    CROSS JOIN LATERAL fleet.report_standing(
        command.revised_at, command.revision, command.reported, command.reported_revision, command.reported_at
    ) AS standing (word)
    GROUP BY command.starts_at, command.ends_at, command.mode
    ORDER BY command.starts_at DESC, command.ends_at DESC NULLS FIRST, command.mode
    LIMIT greatest(0, least(coalesce(p_limit, 50), 500)) OFFSET greatest(0, coalesce(p_offset, 0));
END
$$;
COMMENT ON FUNCTION public.dispatch_overview IS
    'For operators: the dispatches, the latest start first, with how many batteries were asked, got it (delivered, '
    'acknowledged: ever), are or ended where, and of how many Flip was told (late: after its 15 minutes, or not yet and '
    'they are over). total_count: how many dispatches there are. PT403.';

CREATE FUNCTION fleet.require_dispatch(p_starts_at timestamptz, p_ends_at timestamptz, p_mode text, p_gap_s integer)
RETURNS text[]
LANGUAGE plpgsql STABLE SET search_path = ''
AS $$
DECLARE
    command_ids text[];
BEGIN
    PERFORM fleet.require_operator();
    IF p_gap_s IS NULL OR p_gap_s NOT BETWEEN 1 AND 3600 THEN
        RAISE EXCEPTION USING ERRCODE = 'PT422', MESSAGE = 'A gap in the data is from 1 second to an hour long.';
    END IF;
    SELECT array_agg(command_id) INTO command_ids FROM fleet.commands
    WHERE starts_at = p_starts_at AND ends_at IS NOT DISTINCT FROM p_ends_at AND mode = p_mode;
    IF command_ids IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'PT404', MESSAGE = 'There is no such dispatch: choose one of the list.';
    END IF;
    RETURN command_ids;
END
$$;
COMMENT ON FUNCTION fleet.require_dispatch IS 'The commands of a dispatch, for operators. PT403, PT404, PT422.';

CREATE FUNCTION public.dispatch_report(
    p_starts_at timestamptz, p_mode text, p_ends_at timestamptz DEFAULT NULL, p_gap_s integer DEFAULT 180
) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = ''
AS $$
DECLARE
    command_ids text[] := fleet.require_dispatch(p_starts_at, p_ends_at, p_mode, p_gap_s);
BEGIN
    RETURN (
        SELECT jsonb_agg(to_jsonb(device) ORDER BY device.thing_name, device.command_id) FROM (
            SELECT command.thing_name, command.command_id, command.state::text AS state, command.reason,
                command.flip_status, command.power_mode, command.setpoint_w, command.backup_reserve_pct,
                command.revision, command.received_at, command.revised_at, command.delivered_at,
                command.acknowledged_at, command.started_at, command.finished_at,
                CASE WHEN command.reported_revision = command.revision THEN command.reported END AS reported,
                CASE WHEN command.reported_revision = command.revision THEN command.reported_at END AS reported_at,
                fleet.report_standing(command.revised_at, command.revision, command.reported,
                    command.reported_revision, command.reported_at) AS report_standing,
                command.report_failure,
                fleet.asked_energy_wh(command.flip_status, command.mode, command.setpoint_w, command.starts_at,
                    measured.window_end) AS asked_energy_wh,
                CASE command.mode WHEN 'CHARGE' THEN measured.charged_energy_wh
                    WHEN 'DISCHARGE' THEN measured.discharged_energy_wh END AS measured_energy_wh,
                measured.charged_energy_wh, measured.discharged_energy_wh, measured.window_end, measured.samples,
                measured.clock_skew_s, measured.gap_count, measured.gap_total_s, measured.gaps
            FROM fleet.commands AS command
            LEFT JOIN fleet.command_measurements(command_ids, make_interval(secs => p_gap_s)) AS measured
                ON measured.command_id = command.command_id
            WHERE command.command_id = ANY (command_ids)
        ) AS device
    );
END
$$;
COMMENT ON FUNCTION public.dispatch_report IS
    'For operators: each battery of a dispatch, with its command''s life, what Flip was told (report_standing: in_time, '
    'late, waiting, overdue; report_failure: why Flip does not take it, once given up), and asked against measured (Wh; W; '
    's; measured_energy_wh is in the mode''s direction, NULL for other modes). Gaps are times above p_gap_s without a '
    'sample. window_end: measured up to here. One JSON array; PT403, PT404, PT422.';

CREATE FUNCTION public.dispatch_power(
    p_starts_at timestamptz, p_mode text, p_ends_at timestamptz DEFAULT NULL, p_points integer DEFAULT 240
) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = ''
AS $$
DECLARE
    command_ids text[] := fleet.require_dispatch(p_starts_at, p_ends_at, p_mode, 1);
    to_at timestamptz;
    margin interval;
    step interval;
BEGIN
    IF p_points IS NULL OR p_points NOT BETWEEN 2 AND 2000 THEN
        RAISE EXCEPTION USING ERRCODE = 'PT422', MESSAGE = 'Ask for 2 to 2000 points.';
    END IF;
    to_at := greatest(
        fleet.command_window_end(p_starts_at, p_ends_at, (SELECT CASE WHEN bool_and(finished_at IS NOT NULL)
            THEN max(finished_at) END FROM fleet.commands WHERE command_id = ANY (command_ids))),
        p_starts_at + interval '1 minute'
    );
    margin := greatest(interval '1 minute', least(interval '15 minutes', (to_at - p_starts_at) / 4));
    -- One less: buckets begin at the dispatch's start, so that the first and the last may reach beyond the time asked for.
    -- Not shorter than batteries sample, or the sum would jump with who has a sample in a bucket and who has not.
    step := make_interval(
        secs => greatest(15, ceil(extract(epoch FROM to_at - p_starts_at + 2 * margin) / (p_points - 1)))
    );
    RETURN (
        WITH device AS ( -- each battery's own average first: one that samples more often must not weigh more
            SELECT date_bin(step, reading.measured_at, p_starts_at) AS bucket_start,
                avg(reading.battery_charge_power_w) AS charge_w, avg(reading.battery_discharge_power_w) AS discharge_w
            FROM (
                SELECT DISTINCT thing_name FROM fleet.commands WHERE command_id = ANY (command_ids)
            ) AS battery
            CROSS JOIN LATERAL (
                SELECT measured_at, battery_charge_power_w, battery_discharge_power_w FROM fleet.telemetry
                WHERE thing_name = battery.thing_name
                    AND measured_at >= p_starts_at - margin AND measured_at < to_at + margin
                OFFSET 0 -- battery by battery along the index, instead of a whole day of all batteries
            ) AS reading
            GROUP BY battery.thing_name, 1
        ), bucket AS (
            SELECT bucket_start, count(*) AS devices, sum(charge_w) AS charge_power_w,
                sum(discharge_w) AS discharge_power_w
            FROM device GROUP BY bucket_start
        )
        SELECT jsonb_build_object(
            'bucket_s', extract(epoch FROM step), 'window_end', to_at,
            'buckets', coalesce(jsonb_agg(to_jsonb(bucket) ORDER BY bucket_start), '[]')
        ) FROM bucket
    );
END
$$;
COMMENT ON FUNCTION public.dispatch_power IS
    'For operators: the power of a dispatch''s batteries together, from a little before it to a little after, in at most '
    'p_points (2 to 2000) buckets of bucket_s seconds (15 or more) by the batteries'' clocks, UTC: {bucket_s, window_end, buckets: '
    '[{bucket_start, devices (with a sample in it), charge_power_w, discharge_power_w (sums of averages, W)}]}. '
    'PT403, PT404, PT422.';

REVOKE ALL ON FUNCTION
    fleet.report_standing(timestamptz, integer, text, integer, timestamptz),
    fleet.require_dispatch(timestamptz, timestamptz, text, integer)
FROM PUBLIC;
REVOKE ALL ON FUNCTION
    public.dispatch_overview(integer, integer), public.dispatch_report(timestamptz, text, timestamptz, integer),
    public.dispatch_power(timestamptz, text, timestamptz, integer)
FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION
    fleet.report_standing(timestamptz, integer, text, integer, timestamptz),
    fleet.require_dispatch(timestamptz, timestamptz, text, integer),
    public.dispatch_overview(integer, integer), public.dispatch_report(timestamptz, text, timestamptz, integer),
    public.dispatch_power(timestamptz, text, timestamptz, integer)
TO authenticated;
