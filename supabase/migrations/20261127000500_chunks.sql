-- A row holds a chunk of samples instead of one: about a fifth of the bytes, and of what PostgreSQL does to store it.
--
-- fleet.telemetry is a view from here on, which shows each sample as before. What was stored a row a sample stays in
-- fleet.telemetry_rows until `take-over-telemetry` has made chunks of it.

ALTER TABLE fleet.telemetry RENAME TO telemetry_rows;
ALTER TABLE fleet.telemetry_default RENAME TO telemetry_rows_default;
DO $$
DECLARE
    day record;
BEGIN
    FOR day IN SELECT partition_name FROM fleet.telemetry_days() LOOP
        EXECUTE format(
            'ALTER TABLE fleet.%I RENAME TO %I',
            day.partition_name, replace(day.partition_name, 'telemetry_', 'telemetry_rows_')
        );
    END LOOP;
END
$$;
COMMENT ON TABLE fleet.telemetry_rows IS 'Samples a row each, as they were stored before there were chunks.';

CREATE TABLE fleet.telemetry_chunks (
    thing_name text NOT NULL,
    first_measured_at timestamptz NOT NULL,
    last_measured_at timestamptz NOT NULL,
    first_sequence bigint NOT NULL,
    received_at timestamptz NOT NULL,
    stored_at timestamptz NOT NULL,
    step_ms integer NOT NULL,
    samples smallint NOT NULL,
    mode fleet.battery_mode,
    grid_online boolean,
    bases bigint[] NOT NULL,
    readings bytea NOT NULL,
    PRIMARY KEY (thing_name, first_measured_at, first_sequence)
) PARTITION BY RANGE (first_measured_at);
ALTER TABLE fleet.telemetry_chunks ALTER COLUMN bases SET STORAGE PLAIN, ALTER COLUMN readings SET STORAGE PLAIN;
COMMENT ON TABLE fleet.telemetry_chunks IS
    'Samples whose sequences follow one another, in the order of their times: of one hour (UTC), 5 minutes and 250 samples '
    'at most, one mode and one state of the grid. fleet.telemetry shows them one by one.';
COMMENT ON COLUMN fleet.telemetry_chunks.first_measured_at IS 'The device''s clock, which is not trusted.';
COMMENT ON COLUMN fleet.telemetry_chunks.received_at IS 'When IoT Core received the message: AWS''s clock.';
COMMENT ON COLUMN fleet.telemetry_chunks.readings IS
    'Of each sample thirteen numbers of 16 bits (fleet.int16_at). The first: sample n (from 1) was measured (n - 1) * '
    'step_ms and so many milliseconds after the first. The others: how far its readings are from their bases, -32768 where '
    'one was not read. These in order, in tenths of W and Wh and hundredths of a percent: battery charge power, discharge '
    'power, charged energy, discharged energy, stored energy, capacity; state of charge, reserve; home power, energy; solar '
    'power, energy.';
COMMENT ON COLUMN fleet.telemetry_chunks.bases IS 'What the differences of each reading are from.';

-- A sample from a day without a partition (a clock from 1970 or 2099, a backlog older than the fleet) is kept here.
CREATE TABLE fleet.telemetry_chunks_default PARTITION OF fleet.telemetry_chunks DEFAULT;

CREATE OR REPLACE FUNCTION fleet.ensure_telemetry_partition(day date) RETURNS boolean
LANGUAGE plpgsql
AS $$
DECLARE
    partition_name text := 'telemetry_chunks_' || to_char(day, 'YYYYMMDD');
    day_start timestamptz := day::timestamp AT TIME ZONE 'UTC';
    day_end timestamptz := (day + 1)::timestamp AT TIME ZONE 'UTC';
BEGIN
    IF to_regclass('fleet.' || partition_name) IS NOT NULL THEN
        RETURN false;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('fleet.ensure_telemetry_partition'));
    IF to_regclass('fleet.' || partition_name) IS NOT NULL THEN
        RETURN false;
    END IF;
    -- Chunks of that day may wait in the default partition: they move, under a lock, before the partition is attached.
    LOCK TABLE fleet.telemetry_chunks_default IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('CREATE TABLE fleet.%I (LIKE fleet.telemetry_chunks INCLUDING ALL)', partition_name);
    EXECUTE format('ALTER TABLE fleet.%I ENABLE ROW LEVEL SECURITY', partition_name);
    EXECUTE format(
        'WITH moved AS (DELETE FROM fleet.telemetry_chunks_default '
        'WHERE first_measured_at >= %L AND first_measured_at < %L RETURNING *) '
        'INSERT INTO fleet.%I SELECT * FROM moved', day_start, day_end, partition_name
    );
    EXECUTE format(
        'ALTER TABLE fleet.telemetry_chunks ATTACH PARTITION fleet.%I FOR VALUES FROM (%L) TO (%L)',
        partition_name, day_start, day_end
    );
    RETURN true;
END
$$;

CREATE OR REPLACE FUNCTION fleet.telemetry_days() RETURNS TABLE (day date, partition_name text, is_attached boolean)
LANGUAGE sql STABLE SET search_path = ''
AS $$
    SELECT to_date(right(relname, 8), 'YYYYMMDD'), relname::text, relispartition
    FROM pg_catalog.pg_class
    WHERE relnamespace = 'fleet'::regnamespace AND relkind = 'r' AND relname ~ '^telemetry_chunks_[0-9]{8}$'
$$;
COMMENT ON FUNCTION fleet.telemetry_days IS 'The day tables of fleet.telemetry_chunks, by UTC day.';

CREATE FUNCTION fleet.int16_at(p_numbers bytea, p_number integer) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT (get_byte(p_numbers, 2 * p_number) << 8 | get_byte(p_numbers, 2 * p_number + 1)) - 32768 $$;
COMMENT ON FUNCTION fleet.int16_at IS
    'Number p_number (from 0) of numbers of 16 bits, the high byte first, each stored as much more as makes -32768 be 0.';

CREATE FUNCTION fleet.reading(p_bases bigint[], p_readings bytea, p_reading integer, p_number integer, p_scale integer)
RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT (p_bases[p_reading] + nullif(fleet.int16_at(p_readings, 13 * p_number - 13 + p_reading), -32768))::float8 / p_scale
$$;
COMMENT ON FUNCTION fleet.reading IS 'Reading p_reading of sample p_number (both from 1) of a chunk, or NULL: not read.';

CREATE FUNCTION fleet.samples_of(p_chunk fleet.telemetry_chunks) RETURNS TABLE (
    measured_at timestamptz, sequence bigint, battery_charge_power_w double precision,
    battery_discharge_power_w double precision, battery_charged_energy_wh double precision,
    battery_discharged_energy_wh double precision, battery_stored_energy_wh double precision,
    battery_capacity_energy_wh double precision, state_of_charge_pct double precision,
    backup_reserve_pct double precision, home_power_w double precision, home_energy_wh double precision,
    solar_power_w double precision, solar_energy_wh double precision
)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT p_chunk.first_measured_at
            + ((number - 1) * p_chunk.step_ms::bigint + fleet.int16_at(p_chunk.readings, 13 * number - 13)) * interval '1 millisecond',
        p_chunk.first_sequence + number - 1,
        fleet.reading(p_chunk.bases, p_chunk.readings, 1, number, 10),
        fleet.reading(p_chunk.bases, p_chunk.readings, 2, number, 10),
        fleet.reading(p_chunk.bases, p_chunk.readings, 3, number, 10),
        fleet.reading(p_chunk.bases, p_chunk.readings, 4, number, 10),
        fleet.reading(p_chunk.bases, p_chunk.readings, 5, number, 10),
        fleet.reading(p_chunk.bases, p_chunk.readings, 6, number, 10),
        fleet.reading(p_chunk.bases, p_chunk.readings, 7, number, 100),
        fleet.reading(p_chunk.bases, p_chunk.readings, 8, number, 100),
        fleet.reading(p_chunk.bases, p_chunk.readings, 9, number, 10),
        fleet.reading(p_chunk.bases, p_chunk.readings, 10, number, 10),
        fleet.reading(p_chunk.bases, p_chunk.readings, 11, number, 10),
        fleet.reading(p_chunk.bases, p_chunk.readings, 12, number, 10)
    FROM generate_series(1, p_chunk.samples) AS number
$$;
COMMENT ON FUNCTION fleet.samples_of IS 'The samples of a chunk, in order. W, Wh, percent; NULL: not read.';

CREATE VIEW fleet.telemetry WITH (security_invoker = true) AS
SELECT
    chunk.thing_name, sample.measured_at, sample.sequence, chunk.received_at, chunk.stored_at, chunk.mode,
    chunk.grid_online, sample.battery_charge_power_w, sample.battery_discharge_power_w,
    sample.battery_charged_energy_wh, sample.battery_discharged_energy_wh, sample.battery_stored_energy_wh,
    sample.battery_capacity_energy_wh, sample.state_of_charge_pct, sample.backup_reserve_pct, sample.home_power_w,
    sample.home_energy_wh, sample.solar_power_w, sample.solar_energy_wh, chunk.first_measured_at AS chunk_from,
    chunk.last_measured_at AS chunk_until
FROM fleet.telemetry_chunks AS chunk CROSS JOIN LATERAL fleet.samples_of(chunk) AS sample
UNION ALL
SELECT
    thing_name, measured_at, sequence, received_at, stored_at, mode, grid_online, battery_charge_power_w,
    battery_discharge_power_w, battery_charged_energy_wh, battery_discharged_energy_wh, battery_stored_energy_wh,
    battery_capacity_energy_wh, state_of_charge_pct, backup_reserve_pct, home_power_w, home_energy_wh, solar_power_w,
    solar_energy_wh, measured_at, measured_at
FROM fleet.telemetry_rows;
COMMENT ON VIEW fleet.telemetry IS
    'Every sample that the database has. Powers in W, energies in Wh, shares in percent, times UTC; NULL: not read. Who asks '
    'for a time names chunk_from, from five minutes earlier on, and chunk_until beside measured_at: then only the chunks '
    'of that time are looked into.';

ALTER TABLE fleet.telemetry_latest ADD COLUMN newest_measured_at timestamptz;
UPDATE fleet.telemetry_latest AS latest SET newest_measured_at = greatest(latest.measured_at, (
    SELECT max(kept.measured_at) FROM fleet.telemetry_rows AS kept WHERE kept.thing_name = latest.thing_name
));
ALTER TABLE fleet.telemetry_latest ALTER COLUMN newest_measured_at SET NOT NULL;
COMMENT ON COLUMN fleet.telemetry_latest.newest_measured_at IS
    'By the device''s clock: nothing that is stored of it was measured later.';

CREATE FUNCTION fleet.mark_dirty_minutes_of_chunks() RETURNS trigger
LANGUAGE plpgsql SET search_path = ''
AS $$
BEGIN
    INSERT INTO fleet.telemetry_dirty (thing_name, bucket_start)
    SELECT thing_name, minute
    FROM stored, generate_series(
        date_bin('1 minute', first_measured_at, '2000-01-01T00:00:00Z'), last_measured_at, interval '1 minute'
    ) AS minute;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION fleet.mark_dirty_minutes_of_chunks IS
    'Marks the minutes of the chunks that a statement stored, in its transaction.';
CREATE TRIGGER mark_dirty_minutes AFTER INSERT ON fleet.telemetry_chunks
REFERENCING NEW TABLE AS stored FOR EACH STATEMENT
-- What only changes its shape was rolled up before.
WHEN (current_setting('fleet.taking_over', true) IS DISTINCT FROM 'on')
EXECUTE FUNCTION fleet.mark_dirty_minutes_of_chunks();

ALTER TABLE fleet.telemetry_chunks ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.telemetry_chunks_default ENABLE ROW LEVEL SECURITY;
REVOKE ALL ON FUNCTION
    fleet.int16_at(bytea, integer), fleet.reading(bigint[], bytea, integer, integer, integer),
    fleet.samples_of(fleet.telemetry_chunks),
    fleet.mark_dirty_minutes_of_chunks()
FROM PUBLIC;
REVOKE ALL ON fleet.telemetry FROM PUBLIC;
-- Functions of a view run with the rights of who reads it.
GRANT EXECUTE ON FUNCTION
    fleet.int16_at(bytea, integer), fleet.reading(bigint[], bytea, integer, integer, integer),
    fleet.samples_of(fleet.telemetry_chunks)
TO authenticated;
GRANT SELECT ON fleet.telemetry, fleet.telemetry_chunks TO authenticated;
-- Whole chunks alone: one that began in the last household's time stays hidden, and is five minutes long at most.
CREATE POLICY owner_or_operator_reads ON fleet.telemetry_chunks FOR SELECT TO authenticated
    USING (
        (SELECT fleet.is_operator()) OR EXISTS (
            SELECT FROM fleet.registrations AS mine
            WHERE mine.thing_name = telemetry_chunks.thing_name AND mine.owner_id = (SELECT fleet.current_user_id())
              AND telemetry_chunks.first_measured_at >= mine.visible_from
              AND telemetry_chunks.received_at >= mine.visible_from
        )
    );

-- What reads samples of a time names the chunks that may have them; else these are as they were.

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
            AND chunk_until >= p_from AND chunk_from >= p_from - interval '5 minutes' AND chunk_from < p_to
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
                    AND chunk_until >= p_starts_at - margin
                    AND chunk_from >= p_starts_at - margin - interval '5 minutes' AND chunk_from < to_at + margin
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
