-- A counter that falls did not always begin anew: fleet/telemetry/counters.py has the rule in words, and
-- tests/cases/counter_steps.toml the cases that both are tested with. What changes here is what a step counts for, and
-- that the powers at its readings are asked.

DROP FUNCTION fleet.counted_wh(double precision, double precision, double precision, double precision, double precision);
CREATE FUNCTION fleet.counted_wh(
    p_before_wh double precision, p_after_wh double precision, p_power_w double precision, p_length_s double precision,
    p_overlap_s double precision, p_edge_s double precision
) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN p_overlap_s <= 0 OR p_length_s > p_edge_s AND p_overlap_s < p_length_s THEN NULL
        WHEN p_after_wh < p_before_wh AND p_after_wh >= p_before_wh - 1 THEN 0
        WHEN p_after_wh < p_before_wh OR p_before_wh = 0 THEN
            CASE WHEN p_after_wh <= 2 + 3 * p_power_w * p_length_s / 3600 THEN p_after_wh * p_overlap_s / p_length_s END
        WHEN p_after_wh - p_before_wh > p_length_s * 50000 / 3600 THEN NULL
        ELSE (p_after_wh - p_before_wh) * p_overlap_s / p_length_s
    END
$$;
COMMENT ON FUNCTION fleet.counted_wh IS
    'What one step of a counter counts for within a window (Wh), or NULL. p_power_w: the higher of the powers at both ends.';

DROP FUNCTION fleet.command_readings(text, timestamptz, timestamptz, interval, timestamptz, timestamptz);
CREATE FUNCTION fleet.command_readings(
    p_thing_name text, p_from timestamptz, p_to timestamptz, p_gap interval, p_first timestamptz, p_last timestamptz
) RETURNS TABLE (
    measured_at timestamptz, received_at timestamptz, sequence bigint, charged_wh double precision,
    discharged_wh double precision, charge_w double precision, discharge_w double precision
)
LANGUAGE sql STABLE
AS $$
    (SELECT measured_at, received_at, sequence, battery_charged_energy_wh, battery_discharged_energy_wh,
        battery_charge_power_w, battery_discharge_power_w
     FROM fleet.telemetry
     WHERE thing_name = p_thing_name AND measured_at >= p_from - p_gap AND measured_at < p_from
        AND measured_at BETWEEN p_first AND p_last
     ORDER BY measured_at DESC, sequence DESC LIMIT 1)
    UNION ALL
    SELECT measured_at, received_at, sequence, battery_charged_energy_wh, battery_discharged_energy_wh,
        battery_charge_power_w, battery_discharge_power_w
    FROM fleet.telemetry
    WHERE thing_name = p_thing_name AND measured_at >= p_from AND measured_at <= p_to
        AND measured_at BETWEEN p_first AND p_last
    UNION ALL
    (SELECT measured_at, received_at, sequence, battery_charged_energy_wh, battery_discharged_energy_wh,
        battery_charge_power_w, battery_discharge_power_w
     FROM fleet.telemetry
     WHERE thing_name = p_thing_name AND measured_at > p_to AND measured_at <= p_to + p_gap
        AND measured_at BETWEEN p_first AND p_last
     ORDER BY measured_at, sequence LIMIT 1)
$$;
COMMENT ON FUNCTION fleet.command_readings IS
    'The samples of a time, with the last one before and the first one after it if they are no further off than p_gap. '
    'p_first and p_last change nothing: they reach over all of it, and spare the planner the other days'' partitions.';

CREATE OR REPLACE FUNCTION fleet.command_measurements(p_command_ids text[], p_gap interval) RETURNS TABLE (
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
            greatest(charge_w, lag(charge_w) OVER own_order) AS charge_w,
            greatest(discharge_w, lag(discharge_w) OVER own_order) AS discharge_w,
            extract(epoch FROM measured_at - lag(measured_at) OVER own_order)::double precision AS length_s,
            extract(epoch FROM least(measured_at, to_at) - greatest(lag(measured_at) OVER own_order, from_at))
                ::double precision AS overlap_s
        FROM reading WINDOW own_order AS (PARTITION BY number ORDER BY sequence)
    ), energy AS (
        SELECT number,
            sum(fleet.counted_wh(charged_before_wh, charged_wh, charge_w, length_s, overlap_s, edge_s)) AS charged_wh,
            sum(fleet.counted_wh(discharged_before_wh, discharged_wh, discharge_w, length_s, overlap_s, edge_s))
                AS discharged_wh
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

REVOKE ALL ON FUNCTION
    fleet.command_readings(text, timestamptz, timestamptz, interval, timestamptz, timestamptz),
    fleet.counted_wh(
        double precision, double precision, double precision, double precision, double precision, double precision
    )
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    fleet.command_readings(text, timestamptz, timestamptz, interval, timestamptz, timestamptz),
    fleet.counted_wh(
        double precision, double precision, double precision, double precision, double precision, double precision
    )
TO authenticated;
