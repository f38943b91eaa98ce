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
    DELETE FROM fleet.telemetry_dirty
    WHERE ctid = ANY(ARRAY(SELECT ctid FROM fleet.telemetry_dirty LIMIT %(limit)s))
    RETURNING thing_name, bucket_start
)
INSERT INTO rolling SELECT DISTINCT thing_name, bucket_start FROM taken

-- name: roll_up_minutes
-- The minutes anew, from all their samples. One whose samples went to the archive is not replaced by the few that came
-- after that. A sum is the average of what was read times the samples: NULL only where nothing was.
INSERT INTO fleet.telemetry_1min AS rollup (thing_name, bucket_start, {minute_columns})
SELECT rolling.thing_name, rolling.bucket_start, {minute_columns}
FROM rolling
CROSS JOIN LATERAL (
    SELECT count(*) AS samples, count(*) FILTER (WHERE grid_online IS NOT FALSE) AS samples_grid_online,
        min(received_at) AS earliest_received_at, avg(state_of_charge_pct) * count(*) AS state_of_charge_sum_pct,
        min(state_of_charge_pct) AS state_of_charge_min_pct, max(state_of_charge_pct) AS state_of_charge_max_pct,
        avg(battery_charge_power_w) * count(*) AS battery_charge_power_sum_w,
        avg(battery_discharge_power_w) * count(*) AS battery_discharge_power_sum_w,
        avg(home_power_w) * count(*) AS home_power_sum_w, avg(solar_power_w) * count(*) AS solar_power_sum_w,
        array_agg(sample ORDER BY measured_at, sequence) AS ordered
    FROM fleet.telemetry AS sample
    WHERE thing_name = rolling.thing_name
        AND measured_at >= rolling.bucket_start AND measured_at < rolling.bucket_start + interval '1 minute'
        AND chunk_until >= rolling.bucket_start AND chunk_from >= rolling.bucket_start - interval '5 minutes'
        AND chunk_from < rolling.bucket_start + interval '1 minute'
) AS whole
CROSS JOIN LATERAL (SELECT {first_of_sample}, {last_of_sample}) AS edge
WHERE samples > 0
ORDER BY 1, 2
ON CONFLICT (thing_name, bucket_start) DO UPDATE SET ({minute_columns}) = ({excluded_minute_columns})
WHERE excluded.samples >= rollup.samples

-- name: roll_up_hours
-- The hours of these minutes anew, from all their minutes.
INSERT INTO fleet.telemetry_1h AS rollup (thing_name, bucket_start, {hour_columns})
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
    FROM fleet.telemetry_1min WHERE thing_name = hour.thing_name
        AND bucket_start >= hour.bucket_start AND bucket_start < hour.bucket_start + interval '1 hour'
) AS whole
CROSS JOIN LATERAL (
    SELECT {first_counters} FROM fleet.telemetry_1min WHERE thing_name = hour.thing_name
        AND bucket_start >= hour.bucket_start AND bucket_start < hour.bucket_start + interval '1 hour'
    ORDER BY bucket_start LIMIT 1
) AS first_minute
CROSS JOIN LATERAL (
    SELECT {last_counters} FROM fleet.telemetry_1min WHERE thing_name = hour.thing_name
        AND bucket_start >= hour.bucket_start AND bucket_start < hour.bucket_start + interval '1 hour'
    ORDER BY bucket_start DESC LIMIT 1
) AS last_minute
ORDER BY 1, 2
ON CONFLICT (thing_name, bucket_start) DO UPDATE SET ({hour_columns}) = ({excluded_hour_columns})
WHERE excluded.samples >= rollup.samples

-- name: mark_late
-- Closed intervals of 5 minutes that changed, for forwarding: whatever it read before this transaction, it sends anew.
-- A minute early does no harm.
INSERT INTO fleet.forwarding_late AS late (thing_name, start_time)
WITH changed AS (
    SELECT thing_name, bucket_start FROM rolling
    WHERE bucket_start < date_bin('5 minutes', clock_timestamp() - interval '4 minutes', 'epoch')
        AND thing_name IN (SELECT thing_name FROM fleet.forwarding)
), touched AS (
    SELECT thing_name, bucket_start FROM changed
    UNION ALL
    -- An interval's energy begins at the sample before it: the next sample's interval changes with a late one.
    SELECT changed.thing_name, next.bucket_start
    FROM changed
    CROSS JOIN LATERAL (
        SELECT later.bucket_start FROM fleet.telemetry_1min AS later
        WHERE later.thing_name = changed.thing_name AND later.bucket_start > changed.bucket_start
            AND later.bucket_start <= changed.bucket_start + interval '61 minutes'
        ORDER BY later.bucket_start LIMIT 1
    ) AS next
)
SELECT DISTINCT thing_name, date_bin('5 minutes', bucket_start, 'epoch')
FROM touched JOIN fleet.forwarding USING (thing_name)
WHERE bucket_start >= forwarding.since
    AND bucket_start < date_bin('5 minutes', clock_timestamp() - interval '4 minutes', 'epoch')
ORDER BY 1, 2
ON CONFLICT (thing_name, start_time) DO UPDATE SET marked_at = excluded.marked_at
