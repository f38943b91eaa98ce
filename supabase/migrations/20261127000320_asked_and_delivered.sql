-- What pages show of asked and delivered: fleet.command_energies, for the caller's own batteries or for operators.

-- One JSON value, because the API cuts off rows above its max_rows (1000 by default) without a word.
CREATE FUNCTION public.my_command_results(p_limit integer DEFAULT 50) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = ''
AS $$
DECLARE
    gap CONSTANT interval := '5 minutes';
    mine text[];
BEGIN
    PERFORM fleet.require_user();
    SELECT array_agg(newest.command_id) INTO mine FROM (
        SELECT command_id FROM public.my_commands ORDER BY starts_at DESC, command_id
        LIMIT greatest(0, least(coalesce(p_limit, 50), 200))
    ) AS newest;
    RETURN (
        SELECT coalesce(jsonb_agg(to_jsonb(result) - 'gaps' ORDER BY result.starts_at DESC, result.command_id), '[]')
        FROM (
            SELECT * FROM public.my_commands AS asked LEFT JOIN fleet.command_energies(mine, gap) USING (command_id)
            WHERE asked.command_id = ANY (mine)
        ) AS result
    );
END
$$;
COMMENT ON FUNCTION public.my_command_results IS
    'The caller''s latest commands (p_limit, 200 at most), newest first, as my_commands has them, with what was '
    'asked and what their batteries'' counters show (fleet.command_energies; Wh, s, NULL: not measured). PT401.';

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
                command.report_failure, energies.asked_first_energy_wh, energies.asked_energy_wh,
                energies.asked_while_measured_wh, energies.measured_energy_wh, energies.charged_energy_wh,
                energies.discharged_energy_wh, energies.asked_s, energies.measured_s, energies.window_end,
                energies.known_until, energies.data_standing, energies.samples, energies.clock_skew_s,
                energies.gap_count, energies.gap_total_s, energies.gaps
            FROM fleet.commands AS command
            LEFT JOIN fleet.command_energies(command_ids, make_interval(secs => p_gap_s)) AS energies
                ON energies.command_id = command.command_id
            WHERE command.command_id = ANY (command_ids)
        ) AS device
    );
END
$$;
COMMENT ON FUNCTION public.dispatch_report IS
    'For operators: each battery of a dispatch, with its command''s life, what Flip was told (report_standing: '
    'in_time, late, waiting, overdue; report_failure: why Flip does not take it, once given up), and what was asked '
    'and delivered (fleet.command_energies; Wh, s). Gaps are times above p_gap_s without a sample. One JSON array; '
    'PT403, PT404, PT422.';

CREATE OR REPLACE FUNCTION public.dispatch_power(
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
    -- One less: buckets begin at the dispatch's start, so the first and the last may reach beyond the time asked for.
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
            FROM device WHERE num_nulls(charge_w, discharge_w) < 2 GROUP BY bucket_start
        ), ask AS MATERIALIZED (
            SELECT from_at, asks.to_at, setpoint_w FROM fleet.command_asks(command_ids) AS asks
            WHERE asks.setpoint_w IS NOT NULL AND asks.mode = p_mode
        ), asked AS (
            SELECT moment.at, coalesce(sum(ask.setpoint_w), 0) AS power_w
            FROM (SELECT from_at FROM ask UNION SELECT ask.to_at FROM ask) AS moment (at)
            LEFT JOIN ask ON ask.from_at <= moment.at AND ask.to_at > moment.at
            GROUP BY moment.at
        )
        SELECT jsonb_build_object(
            'bucket_s', extract(epoch FROM step), 'window_end', to_at,
            'buckets', (SELECT coalesce(jsonb_agg(to_jsonb(bucket) ORDER BY bucket_start), '[]') FROM bucket),
            'asked', (SELECT coalesce(jsonb_agg(to_jsonb(asked) ORDER BY at), '[]') FROM asked)
        )
    );
END
$$;
COMMENT ON FUNCTION public.dispatch_power IS
    'For operators: the power of a dispatch''s batteries together, from a little before it to a little after, in at '
    'most p_points (2 to 2000) buckets of bucket_s seconds (15 or more) by the batteries'' clocks, UTC: {bucket_s, '
    'window_end, buckets: [{bucket_start, devices (with a reading in it), charge_power_w, discharge_power_w (sums of '
    'averages, W, null: none was read)}], asked: [{at, power_w}]}: what all of them together were asked for from a '
    'moment on (fleet.command_asks), 0 after the last. PT403, PT404, PT422.';

REVOKE ALL ON FUNCTION
    public.my_command_results(integer), public.dispatch_report(timestamptz, text, timestamptz, integer)
FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION
    public.my_command_results(integer), public.dispatch_report(timestamptz, text, timestamptz, integer)
TO authenticated;
