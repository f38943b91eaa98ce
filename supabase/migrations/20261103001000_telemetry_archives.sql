-- What of the raw telemetry is in the archive: the ledger of the Parquet files in S3.

CREATE TABLE fleet.telemetry_archives (
    object_key text PRIMARY KEY,
    bucket text NOT NULL,
    day date NOT NULL,
    part integer NOT NULL,
    parts integer NOT NULL,
    stored_before timestamptz,
    samples bigint NOT NULL CHECK (samples > 0),
    earliest_measured_at timestamptz NOT NULL,
    latest_measured_at timestamptz NOT NULL,
    bytes bigint NOT NULL,
    sha256 text NOT NULL,
    archived_at timestamptz NOT NULL DEFAULT now(),
    removed_at timestamptz,
    CHECK (part >= 0 AND part < parts)
);
COMMENT ON TABLE fleet.telemetry_archives IS 'One row a Parquet file, written once the file was read back from S3 and found right.';
COMMENT ON COLUMN fleet.telemetry_archives.day IS 'The UTC day of the samples, by the device''s clock.';
COMMENT ON COLUMN fleet.telemetry_archives.part IS
    'A device is in the part that the first 32 bits of the MD5 of its name leave modulo `parts`.';
COMMENT ON COLUMN fleet.telemetry_archives.stored_before IS
    'NULL: a whole day''s partition. Else rows of the default partition that were stored before this.';
COMMENT ON COLUMN fleet.telemetry_archives.removed_at IS 'When these samples left the database; NULL: they are about to.';
CREATE INDEX telemetry_archives_day ON fleet.telemetry_archives (day);

ALTER TABLE fleet.telemetry_archives ENABLE ROW LEVEL SECURITY;

CREATE FUNCTION fleet.archive_part(thing_name text, parts integer) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT (('x' || left(md5(thing_name), 8))::bit(32)::bigint % parts)::integer $$;
COMMENT ON FUNCTION fleet.archive_part IS 'Which part of a day''s archive a device is in: the same at every time, and in Python.';

-- The days whose samples are in a table of their own, attached (a partition) or not (about to be archived).
CREATE FUNCTION fleet.telemetry_days() RETURNS TABLE (day date, partition_name text, is_attached boolean)
LANGUAGE sql STABLE SET search_path = ''
AS $$
    SELECT to_date(right(relname, 8), 'YYYYMMDD'), relname::text, relispartition
    FROM pg_catalog.pg_class
    WHERE relnamespace = 'fleet'::regnamespace AND relkind = 'r' AND relname ~ '^telemetry_[0-9]{8}$'
$$;
COMMENT ON FUNCTION fleet.telemetry_days IS 'The day tables of fleet.telemetry, by UTC day.';

REVOKE ALL ON FUNCTION fleet.archive_part(text, integer), fleet.telemetry_days() FROM PUBLIC;
