-- Raw telemetry by day of the device's clock (UTC), the latest state of each device, what could not be parsed, and the
-- ledger of what went to the archive.

CREATE TYPE fleet.battery_mode AS ENUM (
    'BACKUP', 'CHARGE', 'DISCHARGE', 'SAVINGS', 'SELF_CONSUMPTION', 'STANDBY'
);

CREATE TABLE fleet.telemetry (
    thing_name text NOT NULL,
    measured_at timestamptz NOT NULL,
    sequence bigint NOT NULL,
    received_at timestamptz NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT now(),
    mode fleet.battery_mode NOT NULL,
    grid_online boolean NOT NULL,
    battery_charge_power_w double precision NOT NULL,
    battery_discharge_power_w double precision NOT NULL,
    battery_charged_energy_wh double precision NOT NULL,
    battery_discharged_energy_wh double precision NOT NULL,
    battery_stored_energy_wh double precision NOT NULL,
    battery_capacity_energy_wh double precision NOT NULL,
    state_of_charge_pct double precision NOT NULL,
    backup_reserve_pct double precision NOT NULL,
    home_power_w double precision NOT NULL,
    home_energy_wh double precision NOT NULL,
    solar_power_w double precision NOT NULL,
    solar_energy_wh double precision NOT NULL,
    PRIMARY KEY (thing_name, measured_at, sequence)
) PARTITION BY RANGE (measured_at);
COMMENT ON COLUMN fleet.telemetry.measured_at IS 'The device''s clock, which is not trusted.';
COMMENT ON COLUMN fleet.telemetry.received_at IS 'When IoT Core received the message: AWS''s clock.';
COMMENT ON COLUMN fleet.telemetry.sequence IS 'The device''s own counter; survives its restarts.';

-- A sample from a day without a partition (a clock from 1970 or 2099, a backlog older than the fleet) is kept here.
CREATE TABLE fleet.telemetry_default PARTITION OF fleet.telemetry DEFAULT;

CREATE FUNCTION fleet.ensure_telemetry_partition(day date) RETURNS boolean
LANGUAGE plpgsql
AS $$
DECLARE
    partition_name text := 'telemetry_' || to_char(day, 'YYYYMMDD');
    day_start timestamptz := day::timestamp AT TIME ZONE 'UTC';
    day_end timestamptz := (day + 1)::timestamp AT TIME ZONE 'UTC';
BEGIN
    IF to_regclass('fleet.' || partition_name) IS NOT NULL THEN
        RETURN false;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('fleet.ensure_telemetry_partition'));
    IF to_regclass('fleet.' || partition_name) IS NOT NULL THEN
        RETURN false;
    END IF;
    -- Rows of that day may wait in the default partition: they move, under a lock, before the partition is attached.
    LOCK TABLE fleet.telemetry_default IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('CREATE TABLE fleet.%I (LIKE fleet.telemetry INCLUDING ALL)', partition_name);
    EXECUTE format('ALTER TABLE fleet.%I ENABLE ROW LEVEL SECURITY', partition_name);
    EXECUTE format(
        'WITH moved AS (DELETE FROM fleet.telemetry_default WHERE measured_at >= %L AND measured_at < %L RETURNING *) '
        'INSERT INTO fleet.%I SELECT * FROM moved', day_start, day_end, partition_name
    );
    EXECUTE format(
        'ALTER TABLE fleet.telemetry ATTACH PARTITION fleet.%I FOR VALUES FROM (%L) TO (%L)',
        partition_name, day_start, day_end
    );
    RETURN true;
END
$$;
COMMENT ON FUNCTION fleet.ensure_telemetry_partition IS 'Make the partition of a UTC day; true if it was made now.';

CREATE TABLE fleet.telemetry_latest (
    LIKE fleet.telemetry,
    boot_id text NOT NULL,
    last_command_sequence bigint NOT NULL,
    clock_skew_s double precision NOT NULL,
    PRIMARY KEY (thing_name)
);
COMMENT ON COLUMN fleet.telemetry_latest.clock_skew_s IS
    'Received minus measured, seconds, of the newest sample: the device''s skew plus the way here. Negative: its clock is ahead.';

CREATE TABLE fleet.quarantine (
    quarantine_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id text NOT NULL UNIQUE,
    reason text NOT NULL,
    detail text NOT NULL,
    thing_name text,
    body bytea NOT NULL,
    sent_at timestamptz,
    quarantined_at timestamptz NOT NULL DEFAULT now(),
    replayed_at timestamptz
);
COMMENT ON TABLE fleet.quarantine IS 'Queue messages that could not be stored as telemetry, whole, with the reason.';
CREATE INDEX quarantine_waiting ON fleet.quarantine (quarantine_id) WHERE replayed_at IS NULL;

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

ALTER TABLE fleet.telemetry ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.telemetry_default ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.telemetry_latest ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.quarantine ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.telemetry_archives ENABLE ROW LEVEL SECURITY;

REVOKE ALL ON FUNCTION
    fleet.ensure_telemetry_partition(date), fleet.archive_part(text, integer), fleet.telemetry_days()
FROM PUBLIC;

-- Samples are seen from the moment on that the battery is the household's. The partitions have no policy and are granted
-- to nobody: a query through the parent is held by the parent's policy.
GRANT SELECT ON fleet.telemetry, fleet.telemetry_latest TO authenticated;
CREATE POLICY owner_or_operator_reads ON fleet.telemetry FOR SELECT TO authenticated
    USING (
        (SELECT fleet.is_operator()) OR EXISTS (
            SELECT FROM fleet.registrations AS mine
            WHERE mine.thing_name = telemetry.thing_name AND mine.owner_id = (SELECT fleet.current_user_id())
              AND telemetry.measured_at >= mine.visible_from AND telemetry.received_at >= mine.visible_from
        )
    );
CREATE POLICY owner_or_operator_reads ON fleet.telemetry_latest FOR SELECT TO authenticated
    USING (
        (SELECT fleet.is_operator()) OR EXISTS (
            SELECT FROM fleet.registrations AS mine
            WHERE mine.thing_name = telemetry_latest.thing_name AND mine.owner_id = (SELECT fleet.current_user_id())
              AND telemetry_latest.received_at >= mine.visible_from
              AND telemetry_latest.measured_at >= mine.visible_from
        )
    );

-- The quarantine's bodies stay with the operators' command line: they are whatever a stranger sent.
GRANT SELECT (quarantine_id, reason, detail, thing_name, sent_at, quarantined_at, replayed_at) ON fleet.quarantine
TO authenticated;
CREATE POLICY operator_reads ON fleet.quarantine FOR SELECT TO authenticated USING ((SELECT fleet.is_operator()));

-- What the app reads. `security_invoker`: a view shows what the caller's own policies show, and no more.
CREATE VIEW public.my_batteries WITH (security_invoker = true) AS
SELECT mine.thing_name, device.model, mine.site_id, mine.registered_at, mine.registered_by, mine.device,
    mine.commission_status::text AS commission_status, mine.commission_message, mine.commissioned_at,
    latest.received_at AS last_seen, latest.measured_at, latest.mode::text AS mode, latest.state_of_charge_pct,
    latest.backup_reserve_pct, latest.battery_charge_power_w, latest.battery_discharge_power_w, latest.home_power_w,
    latest.solar_power_w, latest.battery_stored_energy_wh, latest.battery_capacity_energy_wh, latest.grid_online,
    latest.clock_skew_s
FROM fleet.registrations AS mine
JOIN fleet.devices AS device USING (thing_name)
LEFT JOIN fleet.telemetry_latest AS latest
    ON latest.thing_name = mine.thing_name AND latest.received_at >= mine.visible_from
    AND latest.measured_at >= mine.visible_from
WHERE mine.owner_id = fleet.current_user_id(); -- an operator may see all, yet owns some
COMMENT ON VIEW public.my_batteries IS
    'The caller''s batteries with their latest state. W, Wh, percent; times UTC; clock_skew_s is received minus measured.';

REVOKE ALL ON public.my_batteries FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT ON public.my_batteries TO authenticated;
