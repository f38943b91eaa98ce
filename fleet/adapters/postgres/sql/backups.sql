-- name: tables
-- What holds our data: our tables with their columns (not computed ones), and the accounts; partitions are in their table.
-- A day or hour of telemetry that is not attached any more, since it is about to be archived, goes back to where it was.
SELECT table_schema, table_name, into_name, columns FROM (
    SELECT nspname::text AS table_schema, relname::text AS table_name,
        CASE WHEN nspname = 'fleet' THEN regexp_replace(relname, '^(telemetry_(chunks|rows))_[0-9]{8,10}$', '\1')
            ELSE relname::text END AS into_name,
        ARRAY(
            SELECT attname::text FROM pg_attribute
            WHERE attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum
        ) AS columns
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relkind IN ('r', 'p') AND NOT relispartition
        AND (nspname = 'fleet' OR nspname = 'auth' AND relname IN ('users', 'identities'))
) AS ours
ORDER BY table_schema, table_name

-- name: references
-- Which of our tables refers to which.
SELECT DISTINCT conrelid::regclass::text AS table_name, confrelid::regclass::text AS needs_name
FROM pg_constraint WHERE contype = 'f' AND connamespace IN ('fleet'::regnamespace, to_regnamespace('auth'))
    AND conrelid <> confrelid

-- name: sequences
-- The counters of our tables, and how far they are.
SELECT pg_class.relname::text AS table_name, attname::text AS column_name,
    pg_sequence_last_value(pg_get_serial_sequence('fleet.' || quote_ident(pg_class.relname), attname)::regclass) AS last
FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
WHERE relnamespace = 'fleet'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition AND attidentity <> ''

-- name: go_on
-- A counter goes on after what it was at.
SELECT setval(pg_get_serial_sequence('fleet.' || quote_ident(%(table_name)s), %(column_name)s), %(last)s)

-- name: days
-- The days of telemetry that have tables of their own: each has one where it is restored.
SELECT DISTINCT to_date(digits, 'YYYYMMDD') AS day
FROM (
    SELECT substring(relname FROM '^telemetry_chunks_([0-9]{8})') AS digits
    FROM pg_class WHERE relnamespace = 'fleet'::regnamespace AND relkind = 'r'
) AS named
WHERE digits IS NOT NULL ORDER BY 1

-- name: make_day
-- A day's partition.
SELECT fleet.ensure_telemetry_partition(%(day)s)
