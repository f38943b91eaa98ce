-- Where FLEET_LAKE_AFTER_HOURS says so, samples leave the database hour by hour: each hour has a table of its own then, and
-- a file in the archive. What reads samples goes on with minutes where they have left, whenever that was.

ALTER TABLE fleet.telemetry_archives
    ADD COLUMN hour smallint CHECK (hour BETWEEN 0 AND 23),
    ADD CHECK (hour IS NULL OR stored_before IS NULL);
COMMENT ON COLUMN fleet.telemetry_archives.hour IS 'The UTC hour, of the file of an hour''s partition; NULL: of a whole day.';
COMMENT ON COLUMN fleet.telemetry_archives.stored_before IS
    'NULL: a whole partition. Else rows of the default partition that were stored before this.';

CREATE FUNCTION fleet.telemetry_tables() RETURNS TABLE (
    starts_at timestamptz, ends_at timestamptz, partition_name text, is_attached boolean
)
LANGUAGE sql STABLE SET search_path = '' SET timezone = 'UTC' SET jit = off
AS $$
    SELECT to_timestamp(digits, 'YYYYMMDDHH24'),
        to_timestamp(digits, 'YYYYMMDDHH24') + CASE length(digits) WHEN 8 THEN interval '1 day' ELSE interval '1 hour' END,
        relname, relispartition
    FROM (
        SELECT substring(relname FROM '^telemetry_chunks_([0-9]{8}|[0-9]{10})$') AS digits, relname::text, relispartition
        FROM pg_catalog.pg_class WHERE relnamespace = 'fleet'::regnamespace AND relkind = 'r'
    ) AS named
    WHERE digits IS NOT NULL
$$;
COMMENT ON FUNCTION fleet.telemetry_tables IS 'The tables of fleet.telemetry_chunks that hold a UTC day or hour, and which.';
DROP FUNCTION fleet.telemetry_days();

CREATE FUNCTION fleet.samples_since() RETURNS timestamptz
LANGUAGE sql STABLE SET search_path = '' SET timezone = 'UTC' SET jit = off
AS $$
    SELECT min(to_timestamp(substring(relname FROM '[0-9]+$'), 'YYYYMMDDHH24'))
    FROM pg_catalog.pg_inherits JOIN pg_catalog.pg_class ON pg_class.oid = inhrelid
    WHERE inhparent = 'fleet.telemetry_chunks'::regclass
$$;
COMMENT ON FUNCTION fleet.samples_since IS 'From when on no sample has left the database for the archive, but for late ones.';

CREATE FUNCTION fleet.ensure_telemetry_table(p_name text, p_starts_at timestamptz, p_ends_at timestamptz) RETURNS boolean
LANGUAGE plpgsql
AS $$
BEGIN
    IF to_regclass('fleet.' || p_name) IS NOT NULL THEN
        RETURN false;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('fleet.ensure_telemetry_partition'));
    IF EXISTS (SELECT FROM fleet.telemetry_tables() WHERE starts_at < p_ends_at AND ends_at > p_starts_at) THEN
        RETURN false;
    END IF;
    -- Chunks of that time may wait in the default partition: they move, under a lock, before the partition is attached.
    LOCK TABLE fleet.telemetry_chunks_default IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('CREATE TABLE fleet.%I (LIKE fleet.telemetry_chunks INCLUDING ALL)', p_name);
    EXECUTE format('ALTER TABLE fleet.%I ENABLE ROW LEVEL SECURITY', p_name);
    EXECUTE format(
        'WITH moved AS (DELETE FROM fleet.telemetry_chunks_default '
        'WHERE first_measured_at >= %L AND first_measured_at < %L RETURNING *) '
        'INSERT INTO fleet.%I SELECT * FROM moved', p_starts_at, p_ends_at, p_name
    );
    EXECUTE format(
        'ALTER TABLE fleet.telemetry_chunks ATTACH PARTITION fleet.%I FOR VALUES FROM (%L) TO (%L)',
        p_name, p_starts_at, p_ends_at
    );
    RETURN true;
END
$$;
COMMENT ON FUNCTION fleet.ensure_telemetry_table IS
    'Make the partition of a time, unless there is one of any of it; true if it was made now.';

CREATE OR REPLACE FUNCTION fleet.ensure_telemetry_partition(day date) RETURNS boolean
LANGUAGE sql
AS $$
    SELECT fleet.ensure_telemetry_table(
        'telemetry_chunks_' || to_char(day, 'YYYYMMDD'),
        day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC'
    )
$$;

CREATE FUNCTION fleet.ensure_telemetry_hour(hour timestamptz) RETURNS boolean
LANGUAGE plpgsql
AS $$
DECLARE
    day_table text := 'telemetry_chunks_' || to_char(hour AT TIME ZONE 'UTC', 'YYYYMMDD');
    hour_table text := 'telemetry_chunks_' || to_char(hour AT TIME ZONE 'UTC', 'YYYYMMDDHH24');
    is_empty boolean;
BEGIN
    IF to_regclass('fleet.' || day_table) IS NOT NULL
        AND date_trunc('day', hour AT TIME ZONE 'UTC') > now() AT TIME ZONE 'UTC'
    THEN -- the table of a day to come gives way to those of its hours, as long as nothing is in it
        PERFORM pg_advisory_xact_lock(hashtext('fleet.ensure_telemetry_partition'));
        LOCK TABLE fleet.telemetry_chunks IN ACCESS EXCLUSIVE MODE;
        EXECUTE format('SELECT NOT EXISTS (SELECT FROM fleet.%I)', day_table) INTO is_empty;
        IF is_empty THEN
            EXECUTE format('DROP TABLE fleet.%I', day_table);
        END IF;
    END IF;
    RETURN fleet.ensure_telemetry_table(hour_table, hour, hour + interval '1 hour');
END
$$;
COMMENT ON FUNCTION fleet.ensure_telemetry_hour IS 'Make the partition of a UTC hour; true if it was made now.';

CREATE OR REPLACE FUNCTION fleet.command_readings(
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
        AND chunk_until >= p_from - p_gap AND chunk_from >= p_from - p_gap - interval '5 minutes' AND chunk_from < p_from
        AND chunk_from BETWEEN p_first - interval '5 minutes' AND p_last
     ORDER BY measured_at DESC, sequence DESC LIMIT 1)
    UNION ALL
    SELECT measured_at, received_at, sequence, battery_charged_energy_wh, battery_discharged_energy_wh,
        battery_charge_power_w, battery_discharge_power_w
    FROM fleet.telemetry
    WHERE thing_name = p_thing_name AND measured_at >= p_from AND measured_at <= p_to
        AND chunk_until >= p_from AND chunk_from >= p_from - interval '5 minutes' AND chunk_from <= p_to
        AND chunk_from BETWEEN p_first - interval '5 minutes' AND p_last
    UNION ALL
    (SELECT measured_at, received_at, sequence, battery_charged_energy_wh, battery_discharged_energy_wh,
        battery_charge_power_w, battery_discharge_power_w
     FROM fleet.telemetry
     WHERE thing_name = p_thing_name AND measured_at > p_to AND measured_at <= p_to + p_gap
        AND chunk_until > p_to AND chunk_from > p_to - interval '5 minutes' AND chunk_from <= p_to + p_gap
        AND chunk_from BETWEEN p_first - interval '5 minutes' AND p_last
     ORDER BY measured_at, sequence LIMIT 1)
    UNION ALL
    SELECT sample.*
    FROM fleet.telemetry_1min AS minute
    CROSS JOIN LATERAL (
        VALUES (
            first_measured_at, earliest_received_at, first_sequence, first_battery_charged_energy_wh,
            first_battery_discharged_energy_wh, NULL::double precision, NULL::double precision
        ), (
            last_measured_at, NULL, last_sequence, last_battery_charged_energy_wh, last_battery_discharged_energy_wh,
            last_battery_charge_power_w, last_battery_discharge_power_w
        )
    ) AS sample (
        measured_at, received_at, sequence, charged_wh, discharged_wh, charge_w, discharge_w
    )
    WHERE p_from - p_gap < fleet.samples_since()
        AND minute.thing_name = p_thing_name AND minute.bucket_start BETWEEN p_from - p_gap AND p_to + p_gap
        AND minute.row_from BETWEEN p_from - p_gap - interval '1 hour' AND p_to + p_gap
        AND NOT EXISTS (
            SELECT FROM fleet.telemetry AS kept
            WHERE kept.thing_name = p_thing_name AND kept.measured_at = sample.measured_at
                AND kept.sequence = sample.sequence AND kept.chunk_until >= sample.measured_at
                AND kept.chunk_from BETWEEN sample.measured_at - interval '5 minutes' AND sample.measured_at
        )
$$;

CREATE OR REPLACE FUNCTION fleet.telemetry_buckets(
    p_thing_name text, p_from timestamptz, p_to timestamptz, p_points integer
) RETURNS TABLE (
    bucket_start timestamptz, bucket_s double precision, samples bigint, state_of_charge_pct double precision,
    state_of_charge_min_pct double precision, state_of_charge_max_pct double precision,
    battery_charge_power_w double precision, battery_discharge_power_w double precision,
    home_power_w double precision, solar_power_w double precision, grid_online boolean
)
LANGUAGE plpgsql STABLE SET search_path = '' SET jit = off
AS $$
DECLARE
    -- A sample in 5 s makes 12 a minute: up to here 11,520 minutes are read, and beyond no more than 9,600 hours.
    longest_by_minute CONSTANT interval := '8 days';
    minutes_are_kept CONSTANT interval := '31 days'; -- at least: FLEET_MINUTE_RETENTION_DAYS; hours are kept longer
    step interval;
    unit interval;
    first_at timestamptz;
    sampled_from timestamptz;
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
        SELECT min(first_at_of.table_at) INTO sampled_from FROM (
            (SELECT first_measured_at FROM fleet.telemetry_chunks
             WHERE thing_name = p_thing_name AND last_measured_at >= p_from
                AND first_measured_at >= p_from - interval '5 minutes' AND first_measured_at < p_to
             ORDER BY first_measured_at LIMIT 1)
            UNION ALL
            (SELECT measured_at FROM fleet.telemetry_rows
             WHERE thing_name = p_thing_name AND measured_at >= p_from AND measured_at < p_to
             ORDER BY measured_at LIMIT 1)
        ) AS first_at_of (table_at);
        RETURN QUERY
        SELECT date_bin(step, measured_at, p_from), extract(epoch FROM step)::double precision, count(*),
            avg(reading.state_of_charge_pct), min(reading.state_of_charge_pct), max(reading.state_of_charge_pct),
            avg(reading.battery_charge_power_w), avg(reading.battery_discharge_power_w), avg(reading.home_power_w),
            avg(reading.solar_power_w), bool_and(reading.grid_online IS NOT FALSE)
        FROM fleet.telemetry AS reading
        WHERE thing_name = p_thing_name AND measured_at >= p_from AND measured_at < p_to
            AND chunk_until >= p_from AND chunk_from >= p_from - interval '5 minutes' AND chunk_from < p_to
            -- Some of them may be in the archive by now: the minutes of all are kept longer.
            AND NOT EXISTS (
                SELECT FROM fleet.telemetry_1min AS earlier
                WHERE earlier.thing_name = p_thing_name AND earlier.bucket_start >= p_from
                    AND earlier.bucket_start < sampled_from - interval '1 minute'
                    AND earlier.row_from > p_from - interval '1 hour' AND earlier.row_from < sampled_from
            )
        GROUP BY 1;
        IF FOUND THEN
            RETURN;
        END IF;
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

CREATE OR REPLACE FUNCTION public.dispatch_power(
    p_starts_at timestamptz, p_mode text, p_ends_at timestamptz DEFAULT NULL, p_points integer DEFAULT 240
) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = '' SET jit = off
AS $$
DECLARE
    command_ids text[] := fleet.require_dispatch(p_starts_at, p_ends_at, p_mode, 1);
    to_at timestamptz;
    margin interval;
    step interval;
    are_gone boolean; -- samples of that time, which are in the archive
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
    are_gone := p_starts_at - margin < fleet.samples_since();
    -- Not shorter than batteries sample, or the sum would jump with who has a sample in a bucket and who has not.
    step := make_interval(
        secs => greatest(CASE WHEN are_gone THEN 60 ELSE 15 END, ceil(extract(epoch FROM to_at - p_starts_at + 2 * margin) / (p_points - 1)))
    );
    RETURN (
        WITH device AS ( -- each battery's own average first: one that samples more often must not weigh more
            SELECT date_bin(step, reading.measured_at, p_starts_at) AS bucket_start,
                avg(reading.battery_charge_power_w) AS charge_w, avg(reading.battery_discharge_power_w) AS discharge_w
            FROM (
                SELECT DISTINCT thing_name FROM fleet.commands WHERE command_id = ANY (command_ids)
            ) AS battery
            CROSS JOIN LATERAL (
                (SELECT measured_at, battery_charge_power_w, battery_discharge_power_w FROM fleet.telemetry
                 WHERE thing_name = battery.thing_name
                    AND measured_at >= p_starts_at - margin AND measured_at < to_at + margin
                    AND chunk_until >= p_starts_at - margin
                    AND chunk_from >= p_starts_at - margin - interval '5 minutes' AND chunk_from < to_at + margin
                 OFFSET 0) -- battery by battery along the index, instead of a whole day of all batteries
                UNION ALL
                (SELECT bucket_start, battery_charge_power_sum_w / samples, battery_discharge_power_sum_w / samples
                 FROM fleet.telemetry_1min AS minute
                 WHERE are_gone AND minute.thing_name = battery.thing_name
                    AND minute.bucket_start >= p_starts_at - margin AND minute.bucket_start < to_at + margin
                    AND minute.row_from > p_starts_at - margin - interval '1 hour' AND minute.row_from < to_at + margin
                    AND NOT EXISTS (
                        SELECT FROM fleet.telemetry AS kept
                        WHERE kept.thing_name = battery.thing_name AND kept.measured_at >= minute.bucket_start
                            AND kept.measured_at < minute.bucket_start + interval '1 minute'
                            AND kept.chunk_until >= minute.bucket_start
                            AND kept.chunk_from >= minute.bucket_start - interval '5 minutes'
                            AND kept.chunk_from < minute.bucket_start + interval '1 minute'
                    )
                 OFFSET 0)
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

REVOKE ALL ON FUNCTION
    fleet.telemetry_tables(), fleet.samples_since(), fleet.ensure_telemetry_hour(timestamptz),
    fleet.ensure_telemetry_table(text, timestamptz, timestamptz)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION fleet.samples_since() TO authenticated;
