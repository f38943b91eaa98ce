-- What batteries really did while a command held, from their telemetry: under the caller's own rights and policies.
--
-- Energy is what the counters grew within [window_start, window_end], from sample to sample in the battery's own order:
--     sum over neighbouring samples of  step * overlap / length
-- with `step` the growth of the counter between them (Wh; a counter that fell began anew at 0), `length` the time
-- between them and `overlap` the part of it inside the window. A step inside counts whole; one over an edge is shared
-- out by time, as if the power had been even, and counts nothing if it is longer than 5 minutes. A step above 50 kW or
-- backwards in time counts nothing. NULL where no step counts: nothing was measured, which is not 0 Wh.
-- tests/cases/counter_steps.toml has the cases of a step that this and fleet/telemetry/counters.py are tested with.

CREATE FUNCTION fleet.command_window_end(p_starts_at timestamptz, p_ends_at timestamptz, p_finished_at timestamptz)
RETURNS timestamptz
LANGUAGE sql STABLE
AS $$
    SELECT greatest(p_starts_at, least(coalesce(p_ends_at, p_finished_at, now()), now(), p_starts_at + interval '2 days'))
$$;
COMMENT ON FUNCTION fleet.command_window_end IS
    'Up to when a command is measured: its end as it was asked for (without one: when it was over), now at the latest, '
    'and two days after its start.';

CREATE FUNCTION fleet.command_readings(
    p_thing_name text, p_from timestamptz, p_to timestamptz, p_gap interval, p_first timestamptz, p_last timestamptz
) RETURNS TABLE (
    measured_at timestamptz, received_at timestamptz, sequence bigint, charged_wh double precision,
    discharged_wh double precision
)
LANGUAGE sql STABLE
AS $$
    (SELECT measured_at, received_at, sequence, battery_charged_energy_wh, battery_discharged_energy_wh
     FROM fleet.telemetry
     WHERE thing_name = p_thing_name AND measured_at >= p_from - p_gap AND measured_at < p_from
        AND measured_at BETWEEN p_first AND p_last
     ORDER BY measured_at DESC, sequence DESC LIMIT 1)
    UNION ALL
    SELECT measured_at, received_at, sequence, battery_charged_energy_wh, battery_discharged_energy_wh
    FROM fleet.telemetry
    WHERE thing_name = p_thing_name AND measured_at >= p_from AND measured_at <= p_to
        AND measured_at BETWEEN p_first AND p_last
    UNION ALL
    (SELECT measured_at, received_at, sequence, battery_charged_energy_wh, battery_discharged_energy_wh
     FROM fleet.telemetry
     WHERE thing_name = p_thing_name AND measured_at > p_to AND measured_at <= p_to + p_gap
        AND measured_at BETWEEN p_first AND p_last
     ORDER BY measured_at, sequence LIMIT 1)
$$;
COMMENT ON FUNCTION fleet.command_readings IS
    'The samples of a time, with the last one before and the first one after it if they are no further off than p_gap. '
    'p_first and p_last change nothing: they reach over all of it, and spare the planner the other days'' partitions.';

CREATE FUNCTION fleet.counted_wh(
    p_before_wh double precision, p_after_wh double precision, p_length_s double precision, p_overlap_s double precision,
    p_edge_s double precision
) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN p_overlap_s <= 0 OR p_length_s > p_edge_s AND p_overlap_s < p_length_s THEN NULL
        WHEN p_after_wh - CASE WHEN p_after_wh < p_before_wh THEN 0 ELSE p_before_wh END > p_length_s * 50000 / 3600
            THEN NULL
        ELSE (p_after_wh - CASE WHEN p_after_wh < p_before_wh THEN 0 ELSE p_before_wh END) * p_overlap_s / p_length_s
    END
$$;
COMMENT ON FUNCTION fleet.counted_wh IS 'What one step of a counter counts for within a window (Wh), or NULL: see above.';

CREATE FUNCTION fleet.command_measurements(p_command_ids text[], p_gap interval) RETURNS TABLE (
    command_id text, window_end timestamptz, samples bigint, charged_energy_wh double precision,
    discharged_energy_wh double precision, clock_skew_s double precision, gap_count bigint, gap_total_s double precision,
    gaps jsonb
)
LANGUAGE plpgsql STABLE SET search_path = ''
AS $$
DECLARE
    edge CONSTANT interval := '5 minutes';
    edge_s CONSTANT double precision := 300;
    first_at timestamptz;
    last_at timestamptz;
BEGIN
    SELECT min(command.starts_at) - edge,
        max(fleet.command_window_end(command.starts_at, command.ends_at, command.finished_at)) + edge
    INTO first_at, last_at
    FROM fleet.commands AS command
    WHERE command.command_id = ANY (p_command_ids) AND command.starts_at < now();
    RETURN QUERY
    WITH asked AS MATERIALIZED (
        SELECT (row_number() OVER ())::integer AS number, command.command_id, command.thing_name,
            command.starts_at AS from_at,
            fleet.command_window_end(command.starts_at, command.ends_at, command.finished_at) AS to_at
        FROM fleet.commands AS command
        WHERE command.command_id = ANY (p_command_ids) AND command.starts_at < now()
    ), reading AS MATERIALIZED (
        SELECT asked.number, asked.from_at, asked.to_at, sample.*,
            sample.measured_at >= asked.from_at AND sample.measured_at <= asked.to_at AS is_inside
        FROM asked
        CROSS JOIN LATERAL fleet.command_readings(
            asked.thing_name, asked.from_at, asked.to_at, edge, first_at, last_at
        ) AS sample
    ), pair AS (
        SELECT number, charged_wh, discharged_wh,
            lag(charged_wh) OVER own_order AS charged_before_wh,
            lag(discharged_wh) OVER own_order AS discharged_before_wh,
            extract(epoch FROM measured_at - lag(measured_at) OVER own_order)::double precision AS length_s,
            extract(epoch FROM least(measured_at, to_at) - greatest(lag(measured_at) OVER own_order, from_at))
                ::double precision AS overlap_s
        FROM reading WINDOW own_order AS (PARTITION BY number ORDER BY sequence)
    ), energy AS (
        SELECT number,
            sum(fleet.counted_wh(charged_before_wh, charged_wh, length_s, overlap_s, edge_s)) AS charged_wh,
            sum(fleet.counted_wh(discharged_before_wh, discharged_wh, length_s, overlap_s, edge_s)) AS discharged_wh
        FROM pair WHERE length_s > 0 GROUP BY number
    ), heard AS (
        SELECT number, count(*) AS samples,
            min(extract(epoch FROM received_at - measured_at))::double precision AS clock_skew_s
        FROM reading WHERE is_inside GROUP BY number
    ), mark AS (
        SELECT number, from_at AS at, to_at FROM asked
        UNION ALL
        SELECT number, measured_at, to_at FROM reading WHERE is_inside
    ), silence AS (
        SELECT number, at, next_at FROM (
            SELECT number, at, lead(at, 1, to_at) OVER (PARTITION BY number ORDER BY at) AS next_at FROM mark
        ) AS step WHERE next_at - at > p_gap
    ), gap AS (
        SELECT number, count(*) AS gaps, sum(extract(epoch FROM next_at - at))::double precision AS total_s,
            jsonb_agg(jsonb_build_object('starts_at', at, 'ends_at', next_at) ORDER BY at) AS listed
        FROM silence GROUP BY number
    )
    SELECT asked.command_id, asked.to_at, coalesce(heard.samples, 0), energy.charged_wh, energy.discharged_wh,
        heard.clock_skew_s, coalesce(gap.gaps, 0), coalesce(gap.total_s, 0), coalesce(gap.listed, '[]')
    FROM asked
    LEFT JOIN energy USING (number)
    LEFT JOIN heard USING (number)
    LEFT JOIN gap USING (number);
END
$$;
COMMENT ON FUNCTION fleet.command_measurements IS
    'What the batteries of these commands did in their windows, by the batteries'' clocks: samples, energies (Wh), the '
    'smallest received minus measured (s), and the times above p_gap without a sample. Those that began and are visible.';

CREATE FUNCTION fleet.asked_energy_wh(
    p_flip_status text, p_mode text, p_setpoint_w double precision, p_from timestamptz, p_to timestamptz
) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE WHEN p_flip_status = 'OK' AND p_mode IN ('CHARGE', 'DISCHARGE')
        THEN p_setpoint_w * extract(epoch FROM p_to - p_from)::double precision / 3600 END
$$;
COMMENT ON FUNCTION fleet.asked_energy_wh IS
    'The setpoint over a window (Wh); NULL without a setpoint, in other modes, and for what was taken back.';

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
        SELECT coalesce(jsonb_agg(to_jsonb(result) ORDER BY result.starts_at DESC, result.command_id), '[]') FROM (
            SELECT asked.*, measured.window_end, measured.samples, measured.charged_energy_wh,
                measured.discharged_energy_wh, measured.gap_total_s,
                fleet.asked_energy_wh(
                    asked.flip_status, asked.mode, asked.setpoint_w, asked.starts_at, measured.window_end
                ) AS asked_energy_wh
            FROM public.my_commands AS asked
            LEFT JOIN fleet.command_measurements(mine, gap) AS measured USING (command_id)
            WHERE asked.command_id = ANY (mine)
        ) AS result
    );
END
$$;
COMMENT ON FUNCTION public.my_command_results IS
    'The caller''s latest commands (p_limit, 200 at most), newest first, as my_commands has them, with the energies that '
    'their batteries'' counters show for the window (Wh, NULL: not measured) and those asked for. PT401.';

REVOKE ALL ON FUNCTION
    fleet.command_window_end(timestamptz, timestamptz, timestamptz),
    fleet.command_readings(text, timestamptz, timestamptz, interval, timestamptz, timestamptz),
    fleet.counted_wh(double precision, double precision, double precision, double precision, double precision),
    fleet.command_measurements(text[], interval),
    fleet.asked_energy_wh(text, text, double precision, timestamptz, timestamptz)
FROM PUBLIC;
REVOKE ALL ON FUNCTION public.my_command_results(integer) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION
    fleet.command_window_end(timestamptz, timestamptz, timestamptz),
    fleet.command_readings(text, timestamptz, timestamptz, interval, timestamptz, timestamptz),
    fleet.counted_wh(double precision, double precision, double precision, double precision, double precision),
    fleet.command_measurements(text[], interval),
    fleet.asked_energy_wh(text, text, double precision, timestamptz, timestamptz),
    public.my_command_results(integer)
TO authenticated;
