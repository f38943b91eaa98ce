-- name: make_staging
-- An empty table of this session for one batch.
CREATE TEMPORARY TABLE IF NOT EXISTS staging (
    LIKE earlier.telemetry,
    boot_id text NOT NULL,
    last_command_sequence bigint NOT NULL
) ON COMMIT DELETE ROWS

-- name: copy_staging
-- The batch itself, in the order of `STAGED_COLUMNS` in copy_rows.py.
COPY staging ({staged_columns}) FROM STDIN (FORMAT binary)

-- name: copy_alone
-- The same into a table that has no index and no trigger.
COPY earlier.telemetry_alone ({staged_columns}) FROM STDIN (FORMAT binary)

-- name: merge_telemetry
-- Store what is new, in the key's order (two workers with the same messages must not wait for each other in a circle).
INSERT INTO earlier.telemetry SELECT {stored_columns} FROM staging
ORDER BY thing_name, measured_at, sequence
ON CONFLICT DO NOTHING

-- name: merge_latest
-- One row a device: the newest sample by arrival, then by the device's counter; its clock decides nothing.
INSERT INTO earlier.telemetry_latest AS latest ({stored_columns}, boot_id, last_command_sequence, clock_skew_s)
SELECT DISTINCT ON (thing_name)
    {stored_columns}, boot_id, last_command_sequence, extract(epoch FROM received_at - measured_at)
FROM staging
ORDER BY thing_name, received_at DESC, sequence DESC
ON CONFLICT (thing_name) DO UPDATE SET ({stored_columns}, boot_id, last_command_sequence, clock_skew_s)
    = ({excluded_columns}, excluded.boot_id, excluded.last_command_sequence, excluded.clock_skew_s)
WHERE (latest.received_at, latest.sequence) < (excluded.received_at, excluded.sequence)

-- name: lock
-- One session at a time, until its transaction ends: whoever comes next sees all that this one wrote.
SELECT pg_advisory_xact_lock(hashtextextended('fleet/roll_up_telemetry', 0))

-- name: make_rolling
-- The minutes that this transaction works on.
CREATE TEMPORARY TABLE IF NOT EXISTS rolling (thing_name text NOT NULL, bucket_start timestamptz NOT NULL)
ON COMMIT DELETE ROWS

-- name: take
-- Take marks whose samples are committed: those that come after this statement's snapshot wait for the next one.
WITH taken AS (
    DELETE FROM earlier.telemetry_dirty
    WHERE ctid = ANY(ARRAY(SELECT ctid FROM earlier.telemetry_dirty LIMIT %(limit)s))
    RETURNING thing_name, bucket_start
)
INSERT INTO rolling SELECT DISTINCT thing_name, bucket_start FROM taken

-- name: roll_up_minutes
-- The minutes anew, from all their samples. One whose samples went to the archive is not replaced by the few that came
-- after that. A sum is the average of what was read times the samples: NULL only where nothing was.
INSERT INTO earlier.telemetry_1min AS rollup (thing_name, bucket_start, {minute_columns})
SELECT rolling.thing_name, rolling.bucket_start, {minute_columns}
FROM rolling
CROSS JOIN LATERAL (
    SELECT count(*) AS samples, count(*) FILTER (WHERE grid_online IS NOT FALSE) AS samples_grid_online,
        min(received_at) AS earliest_received_at, avg(state_of_charge_pct) * count(*) AS state_of_charge_sum_pct,
        min(state_of_charge_pct) AS state_of_charge_min_pct, max(state_of_charge_pct) AS state_of_charge_max_pct,
        avg(battery_charge_power_w) * count(*) AS battery_charge_power_sum_w,
        avg(battery_discharge_power_w) * count(*) AS battery_discharge_power_sum_w,
        avg(home_power_w) * count(*) AS home_power_sum_w, avg(solar_power_w) * count(*) AS solar_power_sum_w
    FROM earlier.telemetry WHERE thing_name = rolling.thing_name
        AND measured_at >= rolling.bucket_start AND measured_at < rolling.bucket_start + interval '1 minute'
) AS whole
CROSS JOIN LATERAL (
    SELECT {first_of_sample} FROM earlier.telemetry WHERE thing_name = rolling.thing_name
        AND measured_at >= rolling.bucket_start AND measured_at < rolling.bucket_start + interval '1 minute'
    ORDER BY measured_at, sequence LIMIT 1
) AS first_sample
CROSS JOIN LATERAL (
    SELECT {last_of_sample} FROM earlier.telemetry WHERE thing_name = rolling.thing_name
        AND measured_at >= rolling.bucket_start AND measured_at < rolling.bucket_start + interval '1 minute'
    ORDER BY measured_at DESC, sequence DESC LIMIT 1
) AS last_sample
ORDER BY 1, 2
ON CONFLICT (thing_name, bucket_start) DO UPDATE SET ({minute_columns}) = ({excluded_minute_columns})
WHERE excluded.samples >= rollup.samples

-- name: roll_up_hours
-- The hours of these minutes anew, from all their minutes.
INSERT INTO earlier.telemetry_1h AS rollup (thing_name, bucket_start, {hour_columns})
SELECT hour.thing_name, hour.bucket_start, {hour_columns}
FROM (
    SELECT DISTINCT thing_name, date_bin('1 hour', bucket_start, '2000-01-01T00:00:00Z') AS bucket_start FROM rolling
) AS hour
CROSS JOIN LATERAL (
    SELECT sum(samples) AS samples, sum(samples_grid_online) AS samples_grid_online,
        min(earliest_received_at) AS earliest_received_at, {hour_sums},
        min(state_of_charge_min_pct) AS state_of_charge_min_pct,
        max(state_of_charge_max_pct) AS state_of_charge_max_pct,
        bit_or(1 << (extract(epoch FROM bucket_start - hour.bucket_start)::integer / 300)) AS intervals_present
    FROM earlier.telemetry_1min WHERE thing_name = hour.thing_name
        AND bucket_start >= hour.bucket_start AND bucket_start < hour.bucket_start + interval '1 hour'
) AS whole
CROSS JOIN LATERAL (
    SELECT {first_counters} FROM earlier.telemetry_1min WHERE thing_name = hour.thing_name
        AND bucket_start >= hour.bucket_start AND bucket_start < hour.bucket_start + interval '1 hour'
    ORDER BY bucket_start LIMIT 1
) AS first_minute
CROSS JOIN LATERAL (
    SELECT {last_counters} FROM earlier.telemetry_1min WHERE thing_name = hour.thing_name
        AND bucket_start >= hour.bucket_start AND bucket_start < hour.bucket_start + interval '1 hour'
    ORDER BY bucket_start DESC LIMIT 1
) AS last_minute
ORDER BY 1, 2
ON CONFLICT (thing_name, bucket_start) DO UPDATE SET ({hour_columns}) = ({excluded_hour_columns})
WHERE excluded.samples >= rollup.samples
