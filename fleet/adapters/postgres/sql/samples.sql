-- name: hold_unheard
-- Those of these batteries that have no latest sample, held by their names until the transaction ends, in one order.
SELECT pg_advisory_xact_lock(hashtextextended('fleet/first_samples/' || thing_name, 0))
FROM (
    SELECT thing_name FROM string_to_table(%(thing_names)s, ',') AS named (thing_name)
    WHERE (SELECT true FROM fleet.telemetry_latest AS latest WHERE latest.thing_name = named.thing_name) IS NULL
    ORDER BY 1
) AS unheard

-- name: hold_latest
-- How far these batteries are, held until the transaction ends, one after the other in one order: nobody else stores
-- anything of them meanwhile.
SELECT thing_name, (extract(epoch FROM received_at) * 1000)::bigint AS received_ms, sequence,
    (extract(epoch FROM newest_measured_at) * 1000)::bigint AS newest_ms
FROM (SELECT thing_name FROM string_to_table(%(thing_names)s, ',') AS named (thing_name) ORDER BY 1) AS named
CROSS JOIN LATERAL (
    SELECT received_at, sequence, newest_measured_at FROM fleet.telemetry_latest
    WHERE telemetry_latest.thing_name = named.thing_name FOR NO KEY UPDATE
) AS latest

-- name: copy_chunks
-- In the order of `CHUNK_COLUMNS`.
COPY fleet.telemetry_chunks ({chunk_columns}) FROM STDIN (FORMAT binary)

-- name: overlapping
-- Which of these times, by number, hold a sample of the battery that is stored already, or was and is in the archive.
SELECT number FROM unnest(%(thing_names)s::text[], %(firsts)s::timestamptz[], %(lasts)s::timestamptz[])
    WITH ORDINALITY AS asked (thing_name, first_at, last_at, number)
WHERE EXISTS (
    SELECT FROM fleet.telemetry_chunks AS chunk
    WHERE chunk.thing_name = asked.thing_name AND chunk.last_measured_at >= asked.first_at
        AND chunk.first_measured_at BETWEEN asked.first_at - interval '5 minutes' AND asked.last_at
) OR EXISTS (
    SELECT FROM fleet.telemetry_rows AS sample
    WHERE sample.thing_name = asked.thing_name AND sample.measured_at BETWEEN asked.first_at AND asked.last_at
) OR EXISTS (
    SELECT FROM fleet.telemetry_known AS known
    WHERE known.thing_name = asked.thing_name AND known.last_measured_at >= asked.first_at
        AND known.first_measured_at BETWEEN asked.first_at - interval '1 hour' AND asked.last_at
)

-- name: archived
-- The runs of samples of these times that are in the archive.
SELECT DISTINCT known.thing_name, (extract(epoch FROM known.first_measured_at) * 1000)::bigint AS first_ms,
    (extract(epoch FROM known.last_measured_at) * 1000)::bigint AS last_ms, known.first_sequence, known.last_sequence,
    known.jitter_ms
FROM unnest(%(thing_names)s::text[], %(firsts)s::timestamptz[], %(lasts)s::timestamptz[])
    AS asked (thing_name, first_at, last_at)
JOIN fleet.telemetry_known AS known ON known.thing_name = asked.thing_name
    AND known.last_measured_at >= asked.first_at
    AND known.first_measured_at BETWEEN asked.first_at - interval '1 hour' AND asked.last_at

-- name: stored
-- The samples that are stored of these times, by what names them.
SELECT sample.thing_name, (extract(epoch FROM sample.measured_at) * 1000)::bigint AS measured_ms, sample.sequence
FROM unnest(%(thing_names)s::text[], %(firsts)s::timestamptz[], %(lasts)s::timestamptz[])
    AS asked (thing_name, first_at, last_at)
CROSS JOIN LATERAL (
    SELECT thing_name, measured_at, sequence FROM fleet.telemetry
    WHERE thing_name = asked.thing_name AND measured_at BETWEEN asked.first_at AND asked.last_at
        AND chunk_until >= asked.first_at AND chunk_from BETWEEN asked.first_at - interval '5 minutes' AND asked.last_at
    OFFSET 0
) AS sample

-- name: make_newest
-- An empty table of this session for the newest sample of each battery in a batch.
CREATE TEMPORARY TABLE IF NOT EXISTS newest ON COMMIT DELETE ROWS AS
SELECT {latest_columns} FROM fleet.telemetry_latest WITH NO DATA

-- name: copy_newest
-- In the order of `LATEST_COLUMNS`.
COPY newest ({latest_columns}) FROM STDIN (FORMAT binary)

-- name: merge_latest
-- One row a battery: the newest sample by arrival, then by the battery's counter; its clock decides nothing.
INSERT INTO fleet.telemetry_latest AS latest ({kept_columns}, clock_skew_s)
SELECT {read_columns}, extract(epoch FROM received_at - measured_at) FROM newest ORDER BY thing_name
ON CONFLICT (thing_name) DO UPDATE SET ({kept_columns}, clock_skew_s) = ({excluded_columns}, excluded.clock_skew_s)
WHERE (latest.received_at, latest.sequence) < (excluded.received_at, excluded.sequence)

-- name: move_newest
-- What came late and was measured later still.
UPDATE fleet.telemetry_latest AS latest SET newest_measured_at = said.newest
FROM unnest(%(thing_names)s::text[], %(newest)s::timestamptz[]) AS said (thing_name, newest)
WHERE latest.thing_name = said.thing_name AND latest.newest_measured_at < said.newest
