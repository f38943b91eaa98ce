-- Rollups of 1 minute and of 1 hour: what charts, readiness and forwarding read instead of half a million samples.
--
-- The statement that stores samples only marks the minutes that it touched; `fleet/adapters/postgres/sql/rollups.sql` computes
-- those anew from the samples, and their hours from the minutes. So a late sample, one out of order and one that is
-- delivered twice come out right, and storing stays cheap.

CREATE TABLE fleet.telemetry_1min (
    thing_name text NOT NULL,
    bucket_start timestamptz NOT NULL,
    earliest_received_at timestamptz NOT NULL,
    first_measured_at timestamptz NOT NULL,
    first_sequence bigint NOT NULL,
    first_battery_charged_energy_wh double precision NOT NULL,
    first_battery_discharged_energy_wh double precision NOT NULL,
    first_home_energy_wh double precision NOT NULL,
    first_solar_energy_wh double precision NOT NULL,
    last_measured_at timestamptz NOT NULL,
    last_sequence bigint NOT NULL,
    last_battery_charged_energy_wh double precision NOT NULL,
    last_battery_discharged_energy_wh double precision NOT NULL,
    last_home_energy_wh double precision NOT NULL,
    last_solar_energy_wh double precision NOT NULL,
    last_battery_charge_power_w double precision NOT NULL,
    last_battery_discharge_power_w double precision NOT NULL,
    last_battery_stored_energy_wh double precision NOT NULL,
    last_battery_capacity_energy_wh double precision NOT NULL,
    last_state_of_charge_pct double precision NOT NULL,
    last_backup_reserve_pct double precision NOT NULL,
    last_home_power_w double precision NOT NULL,
    last_solar_power_w double precision NOT NULL,
    state_of_charge_sum_pct double precision NOT NULL,
    state_of_charge_min_pct double precision NOT NULL,
    state_of_charge_max_pct double precision NOT NULL,
    battery_charge_power_sum_w double precision NOT NULL,
    battery_discharge_power_sum_w double precision NOT NULL,
    home_power_sum_w double precision NOT NULL,
    solar_power_sum_w double precision NOT NULL,
    samples integer NOT NULL,
    samples_grid_online integer NOT NULL,
    last_mode fleet.battery_mode NOT NULL,
    last_grid_online boolean NOT NULL,
    PRIMARY KEY (thing_name, bucket_start)
) WITH (fillfactor = 85); -- a minute is computed once or twice
COMMENT ON TABLE fleet.telemetry_1min IS
    'Each device''s samples of a whole minute of its clock (UTC): sums (sum / samples is the average), the range of the '
    'state of charge, the first sample''s counters and the last sample. Powers in W, energies in Wh, shares in percent.';
COMMENT ON COLUMN fleet.telemetry_1min.earliest_received_at IS
    'When the first of its samples was received: AWS''s clock, not the device''s.';

CREATE TABLE fleet.telemetry_1h (
    thing_name text NOT NULL,
    bucket_start timestamptz NOT NULL,
    earliest_received_at timestamptz NOT NULL,
    first_battery_charged_energy_wh double precision NOT NULL,
    first_battery_discharged_energy_wh double precision NOT NULL,
    first_home_energy_wh double precision NOT NULL,
    first_solar_energy_wh double precision NOT NULL,
    last_battery_charged_energy_wh double precision NOT NULL,
    last_battery_discharged_energy_wh double precision NOT NULL,
    last_home_energy_wh double precision NOT NULL,
    last_solar_energy_wh double precision NOT NULL,
    state_of_charge_sum_pct double precision NOT NULL,
    state_of_charge_min_pct double precision NOT NULL,
    state_of_charge_max_pct double precision NOT NULL,
    battery_charge_power_sum_w double precision NOT NULL,
    battery_discharge_power_sum_w double precision NOT NULL,
    home_power_sum_w double precision NOT NULL,
    solar_power_sum_w double precision NOT NULL,
    samples integer NOT NULL,
    samples_grid_online integer NOT NULL,
    intervals_present smallint NOT NULL,
    PRIMARY KEY (thing_name, bucket_start)
) WITH (fillfactor = 70); -- an hour is computed anew as long as it lasts: room for that on the page
COMMENT ON TABLE fleet.telemetry_1h IS 'The minutes of telemetry_1min by whole hours (UTC), in the same units.';
COMMENT ON COLUMN fleet.telemetry_1h.intervals_present IS
    'Which of its twelve 5-minute intervals have a sample: bit n (from 0) stands for the one that begins at 5 n minutes.';

-- A queue without keys: whoever stores appends, whoever rolls up takes what is committed. With a unique key, a mark that
-- is just being worked off would swallow, or hold up, the mark of a sample that is just being stored.
CREATE TABLE fleet.telemetry_dirty (
    thing_name text NOT NULL,
    bucket_start timestamptz NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);
COMMENT ON TABLE fleet.telemetry_dirty IS 'Minutes whose samples changed since they were rolled up; the same one may be here twice.';

CREATE FUNCTION fleet.interval_start(at timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT date_bin('5 minutes', at, '2000-01-01T00:00:00Z') $$;
COMMENT ON FUNCTION fleet.interval_start IS 'The start of the 5-minute interval that holds a moment.';

CREATE FUNCTION fleet.mark_dirty_minutes() RETURNS trigger
LANGUAGE plpgsql SET search_path = ''
AS $$
BEGIN
    INSERT INTO fleet.telemetry_dirty (thing_name, bucket_start)
    SELECT DISTINCT thing_name, date_bin('1 minute', measured_at, '2000-01-01T00:00:00Z') FROM stored;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION fleet.mark_dirty_minutes IS 'Marks the minutes of the samples that a statement stored, in its transaction.';

CREATE TRIGGER mark_dirty_minutes AFTER INSERT ON fleet.telemetry
REFERENCING NEW TABLE AS stored FOR EACH STATEMENT EXECUTE FUNCTION fleet.mark_dirty_minutes();

REVOKE ALL ON FUNCTION fleet.interval_start(timestamptz), fleet.mark_dirty_minutes() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION fleet.interval_start(timestamptz) TO authenticated;

ALTER TABLE fleet.telemetry_1min ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.telemetry_1h ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.telemetry_dirty ENABLE ROW LEVEL SECURITY;

GRANT SELECT ON fleet.telemetry_1min, fleet.telemetry_1h TO authenticated;
-- A rollup's start is the device's clock, and that may have been fast: the next household sees none that holds a sample
-- which arrived before its own time. One that holds samples of both households stays hidden: it cannot be taken apart.
CREATE POLICY owner_or_operator_reads ON fleet.telemetry_1min FOR SELECT TO authenticated
    USING (
        (SELECT fleet.is_operator()) OR EXISTS (
            SELECT FROM fleet.registrations AS mine
            WHERE mine.thing_name = telemetry_1min.thing_name AND mine.owner_id = (SELECT fleet.current_user_id())
              AND telemetry_1min.bucket_start >= mine.visible_from
              AND telemetry_1min.earliest_received_at >= mine.visible_from
        )
    );
CREATE POLICY owner_or_operator_reads ON fleet.telemetry_1h FOR SELECT TO authenticated
    USING (
        (SELECT fleet.is_operator()) OR EXISTS (
            SELECT FROM fleet.registrations AS mine
            WHERE mine.thing_name = telemetry_1h.thing_name AND mine.owner_id = (SELECT fleet.current_user_id())
              AND telemetry_1h.bucket_start >= mine.visible_from
              AND telemetry_1h.earliest_received_at >= mine.visible_from
        )
    );

-- Charts and the readiness for a program, under the caller's own rights and policies.

CREATE FUNCTION fleet.require_visible_device(p_thing_name text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = ''
AS $$
BEGIN
    PERFORM fleet.require_user();
    PERFORM FROM fleet.devices WHERE thing_name = p_thing_name;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'PT404', MESSAGE = 'No such battery is registered to you.';
    END IF;
END
$$;
COMMENT ON FUNCTION fleet.require_visible_device IS 'PT404 unless the device is the caller''s, or the caller an operator.';

CREATE FUNCTION fleet.hours_by_minute(p_thing_name text, p_from timestamptz, p_to timestamptz)
RETURNS SETOF timestamptz
LANGUAGE sql STABLE SET search_path = ''
AS $$
    SELECT hour FROM fleet.registrations AS mine, date_bin('1 hour', mine.visible_from, '2000-01-01T00:00:00Z') AS hour
    WHERE mine.thing_name = p_thing_name AND mine.owner_id = fleet.current_user_id()
        AND hour >= p_from AND hour < p_to AND NOT fleet.is_operator()
        AND NOT EXISTS (
            SELECT FROM fleet.telemetry_1h WHERE thing_name = p_thing_name AND bucket_start = hour
        )
$$;
COMMENT ON FUNCTION fleet.hours_by_minute IS
    'The hour in which a battery became the caller''s, where its rollup is hidden from them: its minutes are not all.';

CREATE FUNCTION fleet.visible_rollups(p_thing_name text, p_from timestamptz, p_to timestamptz, p_unit interval)
RETURNS TABLE (
    bucket_start timestamptz, samples integer, samples_grid_online integer, state_of_charge_sum_pct double precision,
    state_of_charge_min_pct double precision, state_of_charge_max_pct double precision,
    battery_charge_power_sum_w double precision, battery_discharge_power_sum_w double precision,
    home_power_sum_w double precision, solar_power_sum_w double precision
)
LANGUAGE plpgsql STABLE SET search_path = ''
AS $$
DECLARE
    shared_hour timestamptz := (SELECT hour FROM fleet.hours_by_minute(p_thing_name, p_from, p_to) AS hour);
BEGIN
    IF p_unit = interval '1 hour' THEN
        RETURN QUERY
        SELECT part.bucket_start, part.samples, part.samples_grid_online, part.state_of_charge_sum_pct,
            part.state_of_charge_min_pct, part.state_of_charge_max_pct, part.battery_charge_power_sum_w,
            part.battery_discharge_power_sum_w, part.home_power_sum_w, part.solar_power_sum_w
        FROM fleet.telemetry_1h AS part
        WHERE part.thing_name = p_thing_name AND part.bucket_start >= p_from AND part.bucket_start < p_to;
    END IF;
    RETURN QUERY
    SELECT part.bucket_start, part.samples, part.samples_grid_online, part.state_of_charge_sum_pct,
        part.state_of_charge_min_pct, part.state_of_charge_max_pct, part.battery_charge_power_sum_w,
        part.battery_discharge_power_sum_w, part.home_power_sum_w, part.solar_power_sum_w
    FROM fleet.telemetry_1min AS part
    WHERE part.thing_name = p_thing_name
        AND part.bucket_start >= CASE WHEN p_unit = interval '1 hour' THEN shared_hour ELSE p_from END
        AND part.bucket_start < CASE WHEN p_unit = interval '1 hour' THEN shared_hour + p_unit ELSE p_to END;
END
$$;
COMMENT ON FUNCTION fleet.visible_rollups IS
    'The rollups of a device that the caller may see, by minute or by hour; of an hour shared with the last household, '
    'the minutes.';

CREATE FUNCTION fleet.telemetry_buckets(p_thing_name text, p_from timestamptz, p_to timestamptz, p_points integer)
RETURNS TABLE (
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
            avg(reading.solar_power_w), bool_and(reading.grid_online)
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
            sum(part.samples), sum(state_of_charge_sum_pct) / sum(part.samples), min(part.state_of_charge_min_pct),
            max(part.state_of_charge_max_pct), sum(battery_charge_power_sum_w) / sum(part.samples),
            sum(battery_discharge_power_sum_w) / sum(part.samples), sum(home_power_sum_w) / sum(part.samples),
            sum(solar_power_sum_w) / sum(part.samples), sum(part.samples) = sum(samples_grid_online)
        FROM fleet.visible_rollups(p_thing_name, first_at, p_to, unit) AS part
        GROUP BY 1;
        EXIT WHEN FOUND OR p_from > now() - minutes_are_kept;
    END LOOP;
END
$$;
COMMENT ON FUNCTION fleet.telemetry_buckets IS 'The buckets of telemetry_series as rows, in no order.';

-- One JSON value, because the API cuts off rows above its max_rows (1000 by default) without a word.
CREATE FUNCTION public.telemetry_series(p_thing_name text, p_from timestamptz, p_to timestamptz, p_points integer)
RETURNS jsonb
LANGUAGE sql STABLE SET search_path = ''
AS $$
    SELECT coalesce(jsonb_agg(to_jsonb(bucket) ORDER BY bucket.bucket_start), '[]')
    FROM fleet.telemetry_buckets(p_thing_name, p_from, p_to, p_points) AS bucket
$$;
COMMENT ON FUNCTION public.telemetry_series IS
    'At most p_points (1 to 2000) buckets of bucket_s seconds, oldest first, by the device''s clock, UTC: samples, '
    'averages of state of charge (percent) and powers (W), the range of the state of charge, and whether the grid was '
    'there all the time. A bucket without samples is left out. From 1 minute on buckets are whole minutes, beyond 8 days '
    'whole hours. '
    'PT404, PT422.';

CREATE FUNCTION public.telemetry_readiness(p_thing_name text) RETURNS TABLE (
    days double precision, intervals_expected integer, intervals_present integer, intervals_missing integer,
    window_start timestamptz, window_end timestamptz, first_interval_at timestamptz, first_gap_start timestamptz,
    first_gap_end timestamptz
)
LANGUAGE plpgsql STABLE SET search_path = ''
AS $$
DECLARE
    window_length CONSTANT interval := '30 days';
BEGIN
    PERFORM fleet.require_visible_device(p_thing_name);
    window_end := fleet.interval_start(now());
    window_start := window_end - window_length;
    RETURN QUERY
    WITH present AS (
        SELECT bucket_start + n * interval '5 minutes' AS at
        FROM fleet.telemetry_1h AS part, generate_series(0, 11) AS n
        WHERE thing_name = p_thing_name AND bucket_start > window_start - interval '1 hour'
            AND bucket_start < window_end AND (part.intervals_present >> n) & 1 = 1
        UNION
        SELECT fleet.interval_start(bucket_start)
        FROM fleet.hours_by_minute(p_thing_name, window_start - interval '1 hour', window_end) AS hour
        JOIN fleet.telemetry_1min ON bucket_start >= hour AND bucket_start < hour + interval '1 hour'
        WHERE thing_name = p_thing_name
    ), within AS (
        SELECT at FROM present WHERE at >= window_start AND at < window_end
    ), edges AS ( -- from each interval to the next one, the window's own edges included
        SELECT at, lead(at) OVER (ORDER BY at) AS next_at FROM (
            SELECT at FROM within UNION ALL VALUES (window_start - interval '5 minutes'), (window_end)
        ) AS points
    ), gap AS (
        SELECT at + interval '5 minutes' AS starts_at, next_at AS ends_at FROM edges
        WHERE next_at > at + interval '5 minutes' ORDER BY at LIMIT 1
    ), totals AS (
        SELECT (extract(epoch FROM window_length) / 300)::integer AS expected, count(*)::integer AS present,
            min(at) AS first_at
        FROM within
    )
    SELECT coalesce(extract(epoch FROM window_end - totals.first_at) / 86400, 0)::double precision, totals.expected,
        totals.present, totals.expected - totals.present, window_start, window_end, totals.first_at, gap.starts_at,
        gap.ends_at
    FROM totals LEFT JOIN gap ON true;
END
$$;
COMMENT ON FUNCTION public.telemetry_readiness IS
    'How much of the last 30 days (whole 5-minute intervals, UTC) has a sample in every interval: days since the first '
    'interval in that time, intervals expected, present and missing, and the first gap from its start to its end (NULL: '
    'none). One row; PT404.';

REVOKE ALL ON FUNCTION
    fleet.require_visible_device(text), fleet.hours_by_minute(text, timestamptz, timestamptz),
    fleet.visible_rollups(text, timestamptz, timestamptz, interval),
    fleet.telemetry_buckets(text, timestamptz, timestamptz, integer)
FROM PUBLIC;
REVOKE ALL ON FUNCTION
    public.telemetry_series(text, timestamptz, timestamptz, integer), public.telemetry_readiness(text)
FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION
    fleet.require_visible_device(text), fleet.hours_by_minute(text, timestamptz, timestamptz),
    fleet.visible_rollups(text, timestamptz, timestamptz, interval),
    fleet.telemetry_buckets(text, timestamptz, timestamptz, integer),
    public.telemetry_series(text, timestamptz, timestamptz, integer),
    public.telemetry_readiness(text)
TO authenticated;
