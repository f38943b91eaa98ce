-- Raw telemetry by day of the device's clock (UTC), the latest state of each device, and what could not be parsed.

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

ALTER TABLE fleet.telemetry ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.telemetry_default ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.telemetry_latest ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.quarantine ENABLE ROW LEVEL SECURITY;
