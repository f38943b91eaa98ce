-- name: hold_latest
-- How far these devices are, held until the transaction ends: nobody else stores anything of them meanwhile. One that is
-- not here has never been heard of.
SELECT thing_name, (extract(epoch FROM received_at) * 1000)::bigint AS received_ms, sequence,
    (extract(epoch FROM newest_measured_at) * 1000)::bigint AS newest_ms
FROM fleet.telemetry_latest JOIN string_to_table(%(thing_names)s, ',') AS named (thing_name) USING (thing_name)
ORDER BY thing_name FOR UPDATE OF telemetry_latest

-- name: copy_blocks
-- Pieces that are new, in the order of `BLOCK_COLUMNS`.
COPY fleet.telemetry_blocks ({block_columns}) FROM STDIN (FORMAT binary)

-- name: overlapping
-- Which of these times, by number, hold a sample of the device that is stored already.
SELECT number FROM unnest(%(thing_names)s::text[], %(firsts)s::timestamptz[], %(lasts)s::timestamptz[])
    WITH ORDINALITY AS piece (thing_name, first_at, last_at, number)
WHERE EXISTS (
    SELECT FROM fleet.telemetry_blocks AS block
    WHERE block.thing_name = piece.thing_name AND block.last_measured_at >= piece.first_at
        AND block.first_measured_at <= piece.last_at AND block.first_measured_at >= piece.first_at - interval '5 minutes'
) OR EXISTS (
    SELECT FROM fleet.telemetry AS sample
    WHERE sample.thing_name = piece.thing_name AND sample.measured_at BETWEEN piece.first_at AND piece.last_at
)

-- name: make_apart
-- An empty table of this session for samples one by one.
CREATE TEMPORARY TABLE IF NOT EXISTS apart (LIKE fleet.telemetry) ON COMMIT DELETE ROWS

-- name: copy_apart
-- In the order of `SAMPLE_COLUMNS`.
COPY apart ({sample_columns}) FROM STDIN (FORMAT binary)

-- name: merge_samples
-- Store what is in no block and no row, in the key's order.
INSERT INTO fleet.telemetry ({sample_columns})
SELECT {sample_columns} FROM apart
WHERE NOT EXISTS (
    SELECT FROM fleet.telemetry_blocks AS block
    WHERE block.thing_name = apart.thing_name AND block.last_measured_at >= apart.measured_at
        AND block.first_measured_at BETWEEN apart.measured_at - interval '5 minutes' AND apart.measured_at
        AND apart.sequence >= block.first_sequence AND apart.sequence < block.first_sequence + block.samples
        AND block.first_measured_at + interval '1 millisecond' * (
            block.step_ms * (apart.sequence - block.first_sequence)
            + coalesce(block.jitter_ms[apart.sequence - block.first_sequence + 1], 0)
        ) = apart.measured_at
)
ORDER BY thing_name, measured_at, sequence
ON CONFLICT DO NOTHING

-- name: make_newest
-- An empty table of this session for the newest sample of each device in a batch.
CREATE TEMPORARY TABLE IF NOT EXISTS newest (LIKE fleet.telemetry) ON COMMIT DELETE ROWS

-- name: copy_newest
-- In the order of `SAMPLE_COLUMNS`.
COPY newest ({sample_columns}) FROM STDIN (FORMAT binary)

-- name: merge_latest
-- One row a device: the newest sample by arrival, then by the device's counter; its clock decides nothing. `newest_ms` has
-- what was measured last of all, in the same order as the names.
INSERT INTO fleet.telemetry_latest AS latest
    ({sample_columns}, boot_id, last_command_sequence, clock_skew_s, newest_measured_at)
SELECT {sample_columns}, said.boot_id, said.last_command_sequence, extract(epoch FROM received_at - measured_at),
    to_timestamp(said.newest_ms / 1000.0)
FROM newest JOIN unnest(
    %(thing_names)s::text[], %(boot_ids)s::text[], %(acknowledged)s::bigint[], %(newest_ms)s::bigint[]
) AS said (thing_name, boot_id, last_command_sequence, newest_ms) USING (thing_name)
ORDER BY thing_name
ON CONFLICT (thing_name) DO UPDATE SET
    ({sample_columns}, boot_id, last_command_sequence, clock_skew_s, newest_measured_at)
    = ({excluded_columns}, excluded.boot_id, excluded.last_command_sequence, excluded.clock_skew_s,
        greatest(latest.newest_measured_at, excluded.newest_measured_at))
WHERE (latest.received_at, latest.sequence) < (excluded.received_at, excluded.sequence)

-- name: move_newest
-- What came late and was measured later still.
UPDATE fleet.telemetry_latest AS latest SET newest_measured_at = to_timestamp(said.newest_ms / 1000.0)
FROM unnest(%(thing_names)s::text[], %(newest_ms)s::bigint[]) AS said (thing_name, newest_ms)
WHERE latest.thing_name = said.thing_name AND coalesce(latest.newest_measured_at, '-infinity') < to_timestamp(said.newest_ms / 1000.0)
