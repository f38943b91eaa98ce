-- name: tables
-- The tables that have samples a row each, attached or on their way to the archive, the newest day last; and the one of
-- all other days, without a day.
SELECT relname::text AS table_name, to_date(substring(relname FROM '[0-9]{8}'), 'YYYYMMDD') AS day FROM pg_class
WHERE relnamespace = 'fleet'::regnamespace AND relkind = 'r' AND relname ~ '^telemetry_rows_([0-9]{8}|default)$'
ORDER BY 1

-- name: make_day
-- Where its chunks go.
SELECT fleet.ensure_telemetry_partition(%(day)s)

-- name: next_thing
-- The next battery, by name, that has rows in a table.
SELECT thing_name FROM fleet.{table} WHERE thing_name > %(after)s ORDER BY thing_name LIMIT 1

-- name: take
-- A battery's rows, out of their table and in the order of their messages; less those that are in a chunk already, as
-- where a day was put back by hand.
WITH taken AS (DELETE FROM fleet.{table} WHERE thing_name = %(thing_name)s RETURNING *)
SELECT (extract(epoch FROM received_at) * 1000)::bigint, stored_at, (extract(epoch FROM measured_at) * 1000)::bigint,
    sequence, {readings}
FROM taken
WHERE NOT EXISTS (
    SELECT FROM fleet.telemetry_chunks AS chunk CROSS JOIN LATERAL fleet.samples_of(chunk) AS sample
    WHERE chunk.thing_name = taken.thing_name AND chunk.last_measured_at >= taken.measured_at - interval '0.5 ms'
        AND chunk.first_measured_at BETWEEN taken.measured_at - interval '5 minutes' AND taken.measured_at + interval '0.5 ms'
        AND sample.sequence = taken.sequence
        AND sample.measured_at BETWEEN taken.measured_at - interval '0.5 ms' AND taken.measured_at + interval '0.5 ms'
)
ORDER BY received_at, stored_at, measured_at, sequence

-- name: without_marks
-- What is rolled up already is not marked, until the transaction ends.
SELECT set_config('fleet.taking_over', 'on', true)

-- name: written
-- How many samples this transaction wrote of a battery.
SELECT coalesce(sum(samples), 0)::bigint AS samples FROM fleet.telemetry_chunks
WHERE thing_name = %(thing_name)s AND xmin = pg_current_xact_id()::xid

-- name: drop
-- A day that is empty.
DROP TABLE fleet.{table}

-- name: next_hours
-- Hours whose minutes are a row each.
SELECT DISTINCT thing_name, date_bin('1 hour', bucket_start, '2000-01-01T00:00:00Z') AS hour
FROM (SELECT thing_name, bucket_start FROM fleet.telemetry_1min_rows ORDER BY 1, 2 LIMIT 60 * %(limit)s) AS first_minutes
ORDER BY 1, 2 LIMIT %(limit)s

-- name: minutes_in
-- How many minutes these hours have, as rows and in rows.
SELECT sum((
    SELECT count(*) FROM fleet.telemetry_1min_rows AS minute
    WHERE minute.thing_name = asked.thing_name AND bucket_start >= hour AND bucket_start < hour + interval '1 hour'
) + (
    SELECT coalesce(sum(minutes), 0) FROM fleet.telemetry_minutes AS minutes
    WHERE minutes.thing_name = asked.thing_name AND bucket_start >= hour AND bucket_start < hour + interval '1 hour'
))::bigint AS minutes
FROM unnest(%(thing_names)s::text[], %(hours)s::timestamptz[]) AS asked (thing_name, hour)
