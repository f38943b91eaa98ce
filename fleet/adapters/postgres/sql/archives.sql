-- name: due
-- The tables of days and hours that ended before, attached or left over from a run that died.
SELECT starts_at, ends_at, partition_name, is_attached FROM fleet.telemetry_tables() WHERE ends_at <= %(before)s ORDER BY 1

-- name: detach
-- Nothing comes into its time any more: a sample that does goes to the default partition.
ALTER TABLE fleet.telemetry_chunks DETACH PARTITION fleet.{table}

-- name: know
-- The runs of samples of a time that are about to leave the database, or of those of it that were stored before then. A run
-- ends where a step is not as long as those before it, to 1 %%; how far its samples are from a line through its ends is
-- bounded by how far the ends of its chunks are from that, and the samples from the chunk's own.
INSERT INTO fleet.telemetry_known AS known (
    thing_name, first_measured_at, last_measured_at, first_sequence, last_sequence, jitter_ms
)
WITH chunk AS (
    SELECT thing_name, first_measured_at, last_measured_at, first_sequence, first_sequence + samples - 1 AS last_sequence,
        step_ms, greatest(50, step_ms / 100) AS tolerance_ms,
        (SELECT max(abs(fleet.int16_at(readings, 13 * n))) FROM generate_series(0, samples - 1) AS n) AS jitter_ms
    FROM fleet.{table}
    WHERE first_measured_at >= %(start)s AND first_measured_at < %(end)s
        AND stored_at < coalesce(%(stored_before)s, 'infinity'::timestamptz)
), compared AS (
    SELECT *, lag(last_sequence) OVER own_order + 1 IS DISTINCT FROM first_sequence
        OR abs(lag(step_ms) OVER own_order - step_ms) > tolerance_ms
        OR abs(extract(epoch FROM first_measured_at - lag(last_measured_at) OVER own_order) * 1000 - step_ms) > tolerance_ms
        OR date_bin('1 hour', lag(first_measured_at) OVER own_order, '2000-01-01T00:00:00Z')
            <> date_bin('1 hour', first_measured_at, '2000-01-01T00:00:00Z') AS begins
    FROM chunk WINDOW own_order AS (PARTITION BY thing_name ORDER BY first_measured_at, first_sequence)
), numbered AS (
    SELECT *, count(*) FILTER (WHERE begins) OVER (PARTITION BY thing_name ORDER BY first_measured_at, first_sequence) AS run
    FROM compared
), run AS (
    SELECT thing_name, run, min(first_measured_at) AS first_at, max(last_measured_at) AS last_at,
        min(first_sequence) AS first_number, max(last_sequence) AS last_number
    FROM numbered GROUP BY thing_name, run
)
SELECT thing_name, first_at, last_at, first_number, last_number, max(ceil(jitter_ms + greatest(
    abs(extract(epoch FROM first_measured_at - first_at) * 1000 - (first_sequence - first_number) * steps.ms),
    abs(extract(epoch FROM last_measured_at - first_at) * 1000 - (last_sequence - first_number) * steps.ms)
)))
FROM numbered JOIN run USING (thing_name, run)
CROSS JOIN LATERAL (
    SELECT extract(epoch FROM last_at - first_at) * 1000 / greatest(last_number - first_number, 1) AS ms
) AS steps
GROUP BY thing_name, run, first_at, last_at, first_number, last_number
ON CONFLICT (thing_name, first_measured_at, first_sequence) DO NOTHING

-- name: count
-- How many samples the table has.
SELECT coalesce(sum(samples), 0)::bigint AS samples FROM fleet.{table}

-- name: export_table
-- One part of a day or an hour, in the order of the file.
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
-- The files of a day's or an hour's partition, and whether their samples have left the database.
SELECT samples, removed_at FROM fleet.telemetry_archives
WHERE day = %(day)s AND hour IS NOT DISTINCT FROM %(hour)s AND stored_before IS NULL

-- name: noted
-- Whether a file is in the ledger.
SELECT object_key FROM fleet.telemetry_archives WHERE object_key = %(object_key)s

-- name: note
-- A file that was read back and found right.
INSERT INTO fleet.telemetry_archives (
    object_key, bucket, day, hour, part, parts, stored_before, samples, earliest_measured_at, latest_measured_at, bytes, sha256
) VALUES (
    %(object_key)s, %(bucket)s, %(day)s, %(hour)s, %(part)s, %(parts)s, %(stored_before)s, %(samples)s, %(earliest_measured_at)s,
    %(latest_measured_at)s, %(bytes)s, %(sha256)s
)

-- name: lock_for_removal
-- Wait, not for long, for those who read the history.
SELECT pg_advisory_xact_lock(hashtextextended('fleet/telemetry_history', 0))

-- name: drop
-- What is archived.
DROP TABLE fleet.{table}

-- name: removed
-- Its samples left the database in this transaction.
UPDATE fleet.telemetry_archives SET removed_at = clock_timestamp()
WHERE day = %(day)s AND hour IS NOT DISTINCT FROM %(hour)s AND stored_before IS NULL

-- name: give_back
-- Samples of a time that was archived before wait with the others that came late.
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
-- From here to the transaction's end no day and no hour leaves the database.
SELECT pg_advisory_xact_lock_shared(hashtextextended('fleet/telemetry_history', 0))

-- name: detached
-- Days and hours that are on their way to the archive.
SELECT partition_name FROM fleet.telemetry_tables()
WHERE NOT is_attached AND ends_at > %(start)s AND starts_at < %(end)s
ORDER BY starts_at

-- name: samples_of_device
-- What the database has of one device.
SELECT {columns} FROM fleet.telemetry
WHERE thing_name = %(thing_name)s AND measured_at >= %(start)s AND measured_at < %(end)s
    AND chunk_until >= %(start)s AND chunk_from >= %(start)s - interval '5 minutes' AND chunk_from < %(end)s
ORDER BY measured_at, sequence

-- name: samples_of_detached
-- What such a table has of one device.
SELECT {columns}
FROM fleet.{table} AS chunk CROSS JOIN LATERAL fleet.samples_of(ROW(chunk.*)::fleet.telemetry_chunks) AS sample
WHERE thing_name = %(thing_name)s AND measured_at >= %(start)s AND measured_at < %(end)s
ORDER BY measured_at, sequence

-- name: files
-- The files that may have samples of one device and time, by day.
SELECT * FROM fleet.telemetry_archives
WHERE day >= (%(start)s AT TIME ZONE 'UTC')::date AND day <= (%(end)s AT TIME ZONE 'UTC')::date
    AND latest_measured_at >= %(start)s AND earliest_measured_at < %(end)s AND part = fleet.archive_part(%(thing_name)s, parts)
ORDER BY day, object_key
