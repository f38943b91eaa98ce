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
