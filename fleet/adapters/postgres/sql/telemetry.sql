-- name: make_staging
-- An empty table of this session for one batch.
CREATE TEMPORARY TABLE IF NOT EXISTS staging (
    LIKE fleet.telemetry,
    boot_id text NOT NULL,
    last_command_sequence bigint NOT NULL
) ON COMMIT DELETE ROWS

-- name: copy_staging
-- The batch itself, in the order of `STAGED_COLUMNS` in copy_rows.py.
COPY staging ({staged_columns}) FROM STDIN (FORMAT binary)

-- name: merge_telemetry
-- Store what is new, in the key's order (two workers with the same messages must not wait for each other in a circle).
INSERT INTO fleet.telemetry SELECT {stored_columns} FROM staging
ORDER BY thing_name, measured_at, sequence
ON CONFLICT DO NOTHING

-- name: merge_latest
-- One row a device: the newest sample by arrival, then by the device's counter; its clock decides nothing.
INSERT INTO fleet.telemetry_latest AS latest ({stored_columns}, boot_id, last_command_sequence, clock_skew_s)
SELECT DISTINCT ON (thing_name)
    {stored_columns}, boot_id, last_command_sequence, extract(epoch FROM received_at - measured_at)
FROM staging
ORDER BY thing_name, received_at DESC, sequence DESC
ON CONFLICT (thing_name) DO UPDATE SET ({stored_columns}, boot_id, last_command_sequence, clock_skew_s)
    = ({excluded_columns}, excluded.boot_id, excluded.last_command_sequence, excluded.clock_skew_s)
WHERE (latest.received_at, latest.sequence) < (excluded.received_at, excluded.sequence)

-- name: known_things
-- Which of these names are in the ledger, and of the few that are not listened to at any time from when to when, in
-- milliseconds since 1970. In and out as one text with commas: a list of values costs four times as much.
SELECT string_agg(thing_name, ',') FILTER (WHERE is_always_heard) AS always,
    jsonb_object_agg(thing_name, jsonb_build_array(
        floor(extract(epoch FROM heard_from) * 1000)::bigint, floor(extract(epoch FROM silenced_at) * 1000)::bigint
    )) FILTER (WHERE NOT is_always_heard) AS at_times
FROM (
    SELECT thing_name, heard_from, silenced_at,
        silenced_at IS NULL AND heard_from <= 'epoch' AS is_always_heard
    FROM fleet.devices JOIN string_to_table(%(thing_names)s, ',') AS named (thing_name) USING (thing_name)
) AS device

-- name: certificates
-- All certificates that these devices ever had, with when each ended (milliseconds since 1970), as one text likewise.
SELECT string_agg(concat(thing_name, '=', certificates), ',') AS held FROM (
    SELECT thing_name, string_agg(
        concat(certificate_id, ':', floor(extract(epoch FROM ended_at) * 1000)::bigint), ';'
    ) AS certificates
    FROM fleet.certificates JOIN string_to_table(%(thing_names)s, ',') AS named (thing_name) USING (thing_name)
    GROUP BY thing_name
) AS device

-- name: count_stored
-- What is stored of the whole fleet.
SELECT count(*) AS samples, count(DISTINCT thing_name) AS devices FROM fleet.telemetry
