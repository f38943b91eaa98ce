-- name: chunks
-- The chunks that have samples of these times, by number.
SELECT number - 1, samples, step_ms, first_measured_at, first_sequence, received_at, mode::text, grid_online, bases, readings
FROM unnest(%(thing_names)s::text[], %(firsts)s::timestamptz[], %(ends)s::timestamptz[])
    WITH ORDINALITY AS asked (thing_name, first_at, end_at, number)
JOIN fleet.telemetry_chunks AS chunk ON chunk.thing_name = asked.thing_name
    AND chunk.last_measured_at >= asked.first_at AND chunk.first_measured_at < asked.end_at
    AND chunk.first_measured_at >= asked.first_at - interval '5 minutes'

-- name: rows
-- What an earlier version stored a row a sample.
SELECT number - 1, (extract(epoch FROM received_at) * 1000)::bigint, (extract(epoch FROM measured_at) * 1000)::bigint,
    sequence, {readings}
FROM unnest(%(thing_names)s::text[], %(firsts)s::timestamptz[], %(ends)s::timestamptz[])
    WITH ORDINALITY AS asked (thing_name, first_at, end_at, number)
JOIN fleet.telemetry_rows AS sample ON sample.thing_name = asked.thing_name
    AND sample.measured_at >= asked.first_at AND sample.measured_at < asked.end_at

-- name: minutes
-- The rows of minutes that begin in these times, by number.
SELECT number - 1, minutes, bucket_start, bases, slopes, readings
FROM unnest(%(thing_names)s::text[], %(firsts)s::timestamptz[], %(ends)s::timestamptz[])
    WITH ORDINALITY AS asked (thing_name, first_at, end_at, number)
JOIN fleet.telemetry_minutes AS stored ON stored.thing_name = asked.thing_name
    AND stored.bucket_start >= asked.first_at AND stored.bucket_start < asked.end_at

-- name: take_minutes
-- The same, removed: they are about to be written anew.
DELETE FROM fleet.telemetry_minutes AS stored
USING unnest(%(thing_names)s::text[], %(firsts)s::timestamptz[], %(ends)s::timestamptz[])
    WITH ORDINALITY AS asked (thing_name, first_at, end_at, number)
WHERE stored.thing_name = asked.thing_name
    AND stored.bucket_start >= asked.first_at AND stored.bucket_start < asked.end_at
RETURNING number - 1, minutes, bucket_start, bases, slopes, readings

-- name: minutes_as_rows
-- What an earlier version stored a row a minute.
SELECT number - 1, (extract(epoch FROM bucket_start) / 60)::bigint, {numbers}
FROM unnest(%(thing_names)s::text[], %(firsts)s::timestamptz[], %(ends)s::timestamptz[])
    WITH ORDINALITY AS asked (thing_name, first_at, end_at, number)
JOIN fleet.telemetry_1min_rows AS stored ON stored.thing_name = asked.thing_name
    AND stored.bucket_start >= asked.first_at AND stored.bucket_start < asked.end_at

-- name: take_minutes_as_rows
-- The same, removed.
DELETE FROM fleet.telemetry_1min_rows AS stored
USING unnest(%(thing_names)s::text[], %(firsts)s::timestamptz[], %(ends)s::timestamptz[])
    WITH ORDINALITY AS asked (thing_name, first_at, end_at, number)
WHERE stored.thing_name = asked.thing_name
    AND stored.bucket_start >= asked.first_at AND stored.bucket_start < asked.end_at
RETURNING number - 1, (extract(epoch FROM bucket_start) / 60)::bigint, {numbers}

-- name: open_pieces
-- Of each span, by number: the parts of its time, and of so long before it, that are read from samples, from the chunk on
-- in which the last sample before the span is.
SELECT (number - 1)::integer AS number, greatest(hour.bucket_start, earlier.since) AS first_at,
    least(hour.bucket_start + interval '1 hour', span_end) AS end_at
FROM unnest(%(thing_names)s::text[], %(starts)s::timestamptz[], %(ends)s::timestamptz[])
    WITH ORDINALITY AS span (thing_name, span_start, span_end, number)
CROSS JOIN LATERAL (
    SELECT coalesce((
        SELECT first_measured_at FROM fleet.telemetry_chunks AS chunk
        WHERE chunk.thing_name = span.thing_name AND first_measured_at < span_start
            AND first_measured_at >= span_start - %(look_back)s
        ORDER BY first_measured_at DESC LIMIT 1
    ), span_start - %(look_back)s) AS since
) AS earlier
JOIN fleet.telemetry_open AS hour ON hour.thing_name = span.thing_name
    AND hour.bucket_start > earlier.since - interval '1 hour' AND hour.bucket_start < span_end
WHERE NOT EXISTS (
    SELECT FROM fleet.telemetry_minutes AS rolled
    WHERE rolled.thing_name = span.thing_name AND rolled.bucket_start >= hour.bucket_start
        AND rolled.bucket_start < hour.bucket_start + interval '1 hour'
)
