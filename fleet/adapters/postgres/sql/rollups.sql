-- name: lock
-- One session at a time, until its transaction ends: whoever comes next sees all that this one wrote.
SELECT pg_advisory_xact_lock(hashtextextended('fleet/roll_up_telemetry', 0))

-- name: take_marks
-- Take marks whose samples are committed: those that come after this statement's snapshot wait for the next one. Their
-- hours wait until they are over; of intervals of 5 minutes that are closed, forwarding is told that they changed: whatever
-- it read before this transaction, it sends anew. A minute early, and one interval too many, do no harm.
WITH taken AS (
    DELETE FROM fleet.telemetry_dirty
    WHERE ctid = ANY(ARRAY(SELECT ctid FROM fleet.telemetry_dirty LIMIT %(limit)s))
    RETURNING thing_name, bucket_start
), opened AS (
    INSERT INTO fleet.telemetry_open (thing_name, bucket_start)
    SELECT DISTINCT thing_name, date_bin('1 hour', bucket_start, '2000-01-01T00:00:00Z') FROM taken
    ON CONFLICT DO NOTHING
), changed AS (
    SELECT DISTINCT thing_name, bucket_start FROM taken
    WHERE bucket_start < date_bin('5 minutes', clock_timestamp() - interval '4 minutes', 'epoch')
        AND thing_name IN (SELECT thing_name FROM fleet.forwarding)
), touched AS (
    SELECT thing_name, bucket_start FROM changed
    UNION ALL
    -- An interval's energy begins at the sample before it: the next sample's interval changes with a late one.
    SELECT changed.thing_name, next.at
    FROM changed
    CROSS JOIN LATERAL (SELECT changed.bucket_start + interval '1 minute' AS minute_end) AS own
    CROSS JOIN LATERAL (
        (SELECT greatest(first_measured_at, minute_end) AS begins_at, last_measured_at AS ends_at
         FROM fleet.telemetry_chunks AS later
         WHERE later.thing_name = changed.thing_name AND later.last_measured_at >= minute_end
            AND later.first_measured_at > minute_end - interval '5 minutes'
            AND later.first_measured_at <= minute_end + interval '1 hour'
         ORDER BY later.first_measured_at LIMIT 1)
        UNION ALL
        (SELECT bucket_start, bucket_start FROM fleet.telemetry_1min AS later
         WHERE later.thing_name = changed.thing_name AND later.row_from > minute_end - interval '1 hour'
            AND later.row_from <= minute_end + interval '1 hour'
            AND later.bucket_start >= minute_end AND later.bucket_start <= minute_end + interval '1 hour'
         ORDER BY later.bucket_start LIMIT 1)
    ) AS later
    CROSS JOIN LATERAL (VALUES (later.begins_at), (later.ends_at)) AS next (at)
), late AS (
    INSERT INTO fleet.forwarding_late AS late (thing_name, start_time)
    SELECT DISTINCT thing_name, date_bin('5 minutes', bucket_start, 'epoch')
    FROM touched JOIN fleet.forwarding USING (thing_name)
    WHERE bucket_start >= forwarding.since
        AND bucket_start < date_bin('5 minutes', clock_timestamp() - interval '4 minutes', 'epoch')
    ORDER BY 1, 2
    ON CONFLICT (thing_name, start_time) DO UPDATE SET marked_at = excluded.marked_at
)
SELECT count(*) AS marks FROM taken

-- name: take_over
-- Hours that are over for five minutes, and those of a clock that is far ahead, which are over when they come.
WITH taken AS (
    SELECT thing_name, bucket_start FROM fleet.telemetry_open
    CROSS JOIN coalesce(%(now)s::timestamptz, clock_timestamp()) AS now
    WHERE bucket_start <= now - interval '65 minutes' OR bucket_start > now + interval '1 hour'
    ORDER BY bucket_start, thing_name LIMIT %(limit)s
)
DELETE FROM fleet.telemetry_open AS waiting USING taken
WHERE waiting.thing_name = taken.thing_name AND waiting.bucket_start = taken.bucket_start
RETURNING waiting.thing_name, waiting.bucket_start

-- name: handed_over
-- From when on these batteries, by number, are their households'.
SELECT (number - 1)::integer AS number, visible_from
FROM unnest(%(thing_names)s::text[]) WITH ORDINALITY AS asked (thing_name, number)
JOIN fleet.registrations USING (thing_name)

-- name: copy_minutes
-- In the order of `MINUTES_COLUMNS`.
COPY fleet.telemetry_minutes ({minutes_columns}) FROM STDIN (FORMAT binary)

-- name: make_hours
-- An empty table of this session for hours on their way.
CREATE TEMPORARY TABLE IF NOT EXISTS rolled_hours (LIKE fleet.telemetry_1h) ON COMMIT DELETE ROWS

-- name: copy_hours
-- In the order of `HOUR_COLUMNS`.
COPY rolled_hours ({hour_columns}) FROM STDIN (FORMAT binary)

-- name: merge_hours
-- One whose minutes are over is not replaced by the few samples that came after that.
INSERT INTO fleet.telemetry_1h AS rollup ({hour_columns})
SELECT {read_columns} FROM rolled_hours ORDER BY 1, 2
ON CONFLICT (thing_name, bucket_start) DO UPDATE SET ({hour_columns}) = ({excluded_columns})
WHERE excluded.samples >= rollup.samples
