-- name: due_days
-- The day tables of whole days before this one, attached or left over from a run that died.
SELECT day, partition_name, is_attached FROM fleet.telemetry_days() WHERE day < %(before)s ORDER BY day

-- name: detach
-- Nothing comes into the day any more: a sample that does goes to the default partition.
ALTER TABLE fleet.telemetry_chunks DETACH PARTITION fleet.{table}

-- name: count
-- How many samples a day table has.
SELECT coalesce(sum(samples), 0)::bigint AS samples FROM fleet.{table}

-- name: export_day
-- One part of a day, in the order of the file.
SELECT {columns}
FROM fleet.{table} AS chunk CROSS JOIN LATERAL fleet.samples_of(ROW(chunk.*)::fleet.telemetry_chunks) AS sample
WHERE fleet.archive_part(thing_name, %(parts)s) = %(part)s
ORDER BY thing_name, measured_at, sequence

-- name: export_late
-- What waits in the default partition of a day.
SELECT {columns}
FROM fleet.telemetry_chunks_default AS chunk
CROSS JOIN LATERAL fleet.samples_of(ROW(chunk.*)::fleet.telemetry_chunks) AS sample
WHERE first_measured_at >= %(start)s AND first_measured_at < %(end)s AND stored_at < %(stored_before)s
ORDER BY thing_name, measured_at, sequence

-- name: ledger
-- The files of a day's partition, and whether their samples have left the database.
SELECT samples, removed_at FROM fleet.telemetry_archives
WHERE day = %(day)s AND stored_before IS NULL

-- name: noted
-- Whether a file is in the ledger.
SELECT object_key FROM fleet.telemetry_archives WHERE object_key = %(object_key)s

-- name: note
-- A file that was read back and found right.
INSERT INTO fleet.telemetry_archives (
    object_key, bucket, day, part, parts, stored_before, samples, earliest_measured_at, latest_measured_at, bytes, sha256
) VALUES (
    %(object_key)s, %(bucket)s, %(day)s, %(part)s, %(parts)s, %(stored_before)s, %(samples)s, %(earliest_measured_at)s,
    %(latest_measured_at)s, %(bytes)s, %(sha256)s
)

-- name: lock_for_removal
-- Wait, not for long, for those who read the history.
SELECT pg_advisory_xact_lock(hashtextextended('fleet/telemetry_history', 0))

-- name: drop
-- The day, which is archived.
DROP TABLE fleet.{table}

-- name: day_removed
-- Its samples left the database in this transaction.
UPDATE fleet.telemetry_archives SET removed_at = clock_timestamp() WHERE day = %(day)s AND stored_before IS NULL

-- name: give_back
-- Samples of a day that was archived before wait with the others that came late.
INSERT INTO fleet.telemetry_chunks SELECT * FROM fleet.{table} ON CONFLICT DO NOTHING

-- name: late_days
-- Days of which the default partition has samples that were stored long ago.
SELECT DISTINCT (first_measured_at AT TIME ZONE 'UTC')::date AS day FROM fleet.telemetry_chunks_default
WHERE stored_at < %(stored_before)s ORDER BY 1

-- name: late_unremoved
-- Late samples that are in the archive and still here.
SELECT object_key, day, stored_before, samples FROM fleet.telemetry_archives
WHERE stored_before IS NOT NULL AND removed_at IS NULL ORDER BY object_key

-- name: remove_late
-- They are in the archive; how many samples.
WITH gone AS (
    DELETE FROM fleet.telemetry_chunks_default
    WHERE first_measured_at >= %(start)s AND first_measured_at < %(end)s AND stored_at < %(stored_before)s
    RETURNING samples
)
SELECT coalesce(sum(samples), 0)::bigint AS samples FROM gone

-- name: late_removed
-- Its samples left the database in this transaction.
UPDATE fleet.telemetry_archives SET removed_at = clock_timestamp() WHERE object_key = %(object_key)s

-- name: begin_history
-- From here to the transaction's end no day leaves the database.
SELECT pg_advisory_xact_lock_shared(hashtextextended('fleet/telemetry_history', 0))

-- name: detached
-- Days that are on their way to the archive.
SELECT partition_name FROM fleet.telemetry_days()
WHERE NOT is_attached AND day >= (%(start)s AT TIME ZONE 'UTC')::date AND day <= (%(end)s AT TIME ZONE 'UTC')::date
ORDER BY day

-- name: samples_of_device
-- What the database has of one device.
SELECT {columns} FROM fleet.telemetry
WHERE thing_name = %(thing_name)s AND measured_at >= %(start)s AND measured_at < %(end)s
    AND chunk_until >= %(start)s AND chunk_from >= %(start)s - interval '5 minutes' AND chunk_from < %(end)s
ORDER BY measured_at, sequence

-- name: samples_of_detached
-- What a day that is on its way to the archive has of one device.
SELECT {columns}
FROM fleet.{table} AS chunk CROSS JOIN LATERAL fleet.samples_of(ROW(chunk.*)::fleet.telemetry_chunks) AS sample
WHERE thing_name = %(thing_name)s AND measured_at >= %(start)s AND measured_at < %(end)s
ORDER BY measured_at, sequence

-- name: files
-- The files that may have samples of one device and time, by day.
SELECT * FROM fleet.telemetry_archives
WHERE day >= (%(start)s AT TIME ZONE 'UTC')::date AND day <= (%(end)s AT TIME ZONE 'UTC')::date
    AND part = fleet.archive_part(%(thing_name)s, parts)
ORDER BY day, object_key
