-- A reading that a battery did not give is NULL, from the sample to the chart, and never 0: a home without a solar meter,
-- a register that was not ready. An average is one over those that were read; of a grid of which nothing was said, no
-- outage is told.

DO $$
DECLARE
    target record;
BEGIN
    FOR target IN
        SELECT attribute.attrelid::regclass AS table_name, attribute.attname AS column_name
        FROM pg_catalog.pg_attribute AS attribute
        WHERE attribute.attrelid IN (
                'fleet.telemetry'::regclass, 'fleet.telemetry_latest'::regclass, 'fleet.telemetry_1min'::regclass,
                'fleet.telemetry_1h'::regclass
            )
            AND attribute.attnotnull
            AND attribute.attname ~ '(_w|_wh|_pct|^mode|^last_mode|grid_online)$' AND attribute.attname <> 'samples_grid_online'
    LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP NOT NULL', target.table_name, target.column_name);
    END LOOP;
END
$$;
COMMENT ON TABLE fleet.telemetry_1min IS
    'Each device''s samples of a whole minute of its clock (UTC): sums (sum / samples is the average of what was read, NULL '
    'where nothing was), the range of the state of charge, the first sample''s counters and the last sample. Powers in W, '
    'energies in Wh, shares in percent.';
COMMENT ON COLUMN fleet.telemetry_1min.samples_grid_online IS 'Samples that told of no outage; one that says nothing tells of none.';
COMMENT ON COLUMN fleet.telemetry_1h.samples_grid_online IS 'Samples that told of no outage; one that says nothing tells of none.';

CREATE OR REPLACE FUNCTION fleet.telemetry_buckets(
    p_thing_name text, p_from timestamptz, p_to timestamptz, p_points integer
) RETURNS TABLE (
    bucket_start timestamptz, bucket_s double precision, samples bigint, state_of_charge_pct double precision,
    state_of_charge_min_pct double precision, state_of_charge_max_pct double precision,
    battery_charge_power_w double precision, battery_discharge_power_w double precision,
    home_power_w double precision, solar_power_w double precision, grid_online boolean
)
LANGUAGE plpgsql STABLE SET search_path = ''
AS $$
DECLARE
    -- A sample in 5 s makes 12 a minute: up to here 11,520 minutes are read, and beyond no more than 9,600 hours.
    longest_by_minute CONSTANT interval := '8 days';
    minutes_are_kept CONSTANT interval := '31 days'; -- at least: FLEET_MINUTE_RETENTION_DAYS; hours are kept longer
    step interval;
    unit interval;
    first_at timestamptz;
BEGIN
    PERFORM fleet.require_visible_device(p_thing_name);
    IF p_points IS NULL OR p_points NOT BETWEEN 1 AND 2000 THEN
        RAISE EXCEPTION USING ERRCODE = 'PT422', MESSAGE = 'Ask for 1 to 2000 points.';
    ELSIF p_from IS NULL OR p_to IS NULL OR NOT p_from < p_to OR NOT isfinite(p_from) OR NOT isfinite(p_to)
        OR p_to > p_from + interval '400 days' THEN
        RAISE EXCEPTION USING ERRCODE = 'PT422', MESSAGE = 'Ask for a time from one moment to a later one, 400 days at most.';
    END IF;

    step := make_interval(secs => greatest(1, ceil(extract(epoch FROM p_to - p_from) / p_points)));
    IF step < interval '1 minute' THEN
        RETURN QUERY
        SELECT date_bin(step, measured_at, p_from), extract(epoch FROM step)::double precision, count(*),
            avg(reading.state_of_charge_pct), min(reading.state_of_charge_pct), max(reading.state_of_charge_pct),
            avg(reading.battery_charge_power_w), avg(reading.battery_discharge_power_w), avg(reading.home_power_w),
            avg(reading.solar_power_w), bool_and(reading.grid_online IS NOT FALSE)
        FROM fleet.telemetry AS reading
        WHERE thing_name = p_thing_name AND measured_at >= p_from AND measured_at < p_to
        GROUP BY 1;
        IF FOUND THEN
            RETURN;
        END IF; -- the samples may be in the archive by now: the minutes are kept longer
    END IF;
    FOREACH unit IN ARRAY ARRAY[interval '1 minute', interval '1 hour'] LOOP
        CONTINUE WHEN unit = interval '1 minute' AND p_to > p_from + longest_by_minute;
        first_at := date_bin(unit, p_from, '2000-01-01T00:00:00Z');
        step := unit * ceil(extract(epoch FROM p_to - first_at) / p_points / extract(epoch FROM unit))::integer;
        RETURN QUERY
        SELECT date_bin(step, part.bucket_start, first_at), extract(epoch FROM step)::double precision,
            sum(part.samples),
            sum(state_of_charge_sum_pct) / sum(part.samples) FILTER (WHERE state_of_charge_sum_pct IS NOT NULL),
            min(part.state_of_charge_min_pct), max(part.state_of_charge_max_pct),
            sum(battery_charge_power_sum_w) / sum(part.samples) FILTER (WHERE battery_charge_power_sum_w IS NOT NULL),
            sum(battery_discharge_power_sum_w)
                / sum(part.samples) FILTER (WHERE battery_discharge_power_sum_w IS NOT NULL),
            sum(home_power_sum_w) / sum(part.samples) FILTER (WHERE home_power_sum_w IS NOT NULL),
            sum(solar_power_sum_w) / sum(part.samples) FILTER (WHERE solar_power_sum_w IS NOT NULL),
            sum(part.samples) = sum(samples_grid_online)
        FROM fleet.visible_rollups(p_thing_name, first_at, p_to, unit) AS part
        GROUP BY 1;
        EXIT WHEN FOUND OR p_from > now() - minutes_are_kept;
    END LOOP;
END
$$;

COMMENT ON FUNCTION public.telemetry_series IS
    'At most p_points (1 to 2000) buckets of bucket_s seconds, oldest first, by the device''s clock, UTC: samples, '
    'averages of state of charge (percent) and powers (W) over what was read (null: nothing was), the range of the state of '
    'charge, and whether no outage was told. A bucket without samples is left out. From 1 minute on buckets are whole '
    'minutes, beyond 8 days whole hours. '
    'PT404, PT422.';
