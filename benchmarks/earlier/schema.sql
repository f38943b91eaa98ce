-- The tables as they were, in a schema of their own.

CREATE SCHEMA earlier;

CREATE TABLE earlier.telemetry (
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

CREATE TABLE earlier.telemetry_day PARTITION OF earlier.telemetry DEFAULT;

CREATE TABLE earlier.telemetry_latest (
    LIKE earlier.telemetry,
    boot_id text NOT NULL,
    last_command_sequence bigint NOT NULL,
    clock_skew_s double precision NOT NULL,
    PRIMARY KEY (thing_name)
);

CREATE TABLE earlier.telemetry_1min (
    thing_name text NOT NULL,
    bucket_start timestamptz NOT NULL,
    earliest_received_at timestamptz NOT NULL,
    first_measured_at timestamptz NOT NULL,
    first_sequence bigint NOT NULL,
    first_battery_charged_energy_wh double precision NOT NULL,
    first_battery_discharged_energy_wh double precision NOT NULL,
    first_home_energy_wh double precision NOT NULL,
    first_solar_energy_wh double precision NOT NULL,
    last_measured_at timestamptz NOT NULL,
    last_sequence bigint NOT NULL,
    last_battery_charged_energy_wh double precision NOT NULL,
    last_battery_discharged_energy_wh double precision NOT NULL,
    last_home_energy_wh double precision NOT NULL,
    last_solar_energy_wh double precision NOT NULL,
    last_battery_charge_power_w double precision NOT NULL,
    last_battery_discharge_power_w double precision NOT NULL,
    last_battery_stored_energy_wh double precision NOT NULL,
    last_battery_capacity_energy_wh double precision NOT NULL,
    last_state_of_charge_pct double precision NOT NULL,
    last_backup_reserve_pct double precision NOT NULL,
    last_home_power_w double precision NOT NULL,
    last_solar_power_w double precision NOT NULL,
    state_of_charge_sum_pct double precision NOT NULL,
    state_of_charge_min_pct double precision NOT NULL,
    state_of_charge_max_pct double precision NOT NULL,
    battery_charge_power_sum_w double precision NOT NULL,
    battery_discharge_power_sum_w double precision NOT NULL,
    home_power_sum_w double precision NOT NULL,
    solar_power_sum_w double precision NOT NULL,
    samples integer NOT NULL,
    samples_grid_online integer NOT NULL,
    last_mode fleet.battery_mode NOT NULL,
    last_grid_online boolean NOT NULL,
    PRIMARY KEY (thing_name, bucket_start)
) WITH (fillfactor = 85);

CREATE TABLE earlier.telemetry_1h (
    thing_name text NOT NULL,
    bucket_start timestamptz NOT NULL,
    earliest_received_at timestamptz NOT NULL,
    first_battery_charged_energy_wh double precision NOT NULL,
    first_battery_discharged_energy_wh double precision NOT NULL,
    first_home_energy_wh double precision NOT NULL,
    first_solar_energy_wh double precision NOT NULL,
    last_battery_charged_energy_wh double precision NOT NULL,
    last_battery_discharged_energy_wh double precision NOT NULL,
    last_home_energy_wh double precision NOT NULL,
    last_solar_energy_wh double precision NOT NULL,
    state_of_charge_sum_pct double precision NOT NULL,
    state_of_charge_min_pct double precision NOT NULL,
    state_of_charge_max_pct double precision NOT NULL,
    battery_charge_power_sum_w double precision NOT NULL,
    battery_discharge_power_sum_w double precision NOT NULL,
    home_power_sum_w double precision NOT NULL,
    solar_power_sum_w double precision NOT NULL,
    samples integer NOT NULL,
    samples_grid_online integer NOT NULL,
    intervals_present smallint NOT NULL,
    PRIMARY KEY (thing_name, bucket_start)
) WITH (fillfactor = 70);

CREATE TABLE earlier.telemetry_dirty (
    thing_name text NOT NULL,
    bucket_start timestamptz NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);

CREATE FUNCTION earlier.mark_dirty_minutes() RETURNS trigger
LANGUAGE plpgsql SET search_path = ''
AS $$
BEGIN
    INSERT INTO earlier.telemetry_dirty (thing_name, bucket_start)
    SELECT DISTINCT thing_name, date_bin('1 minute', measured_at, '2000-01-01T00:00:00Z') FROM stored;
    RETURN NULL;
END
$$;

CREATE TRIGGER mark_dirty_minutes AFTER INSERT ON earlier.telemetry
REFERENCING NEW TABLE AS stored FOR EACH STATEMENT EXECUTE FUNCTION earlier.mark_dirty_minutes();

CREATE TABLE earlier.telemetry_alone (
    LIKE earlier.telemetry,
    boot_id text NOT NULL,
    last_command_sequence bigint NOT NULL
);
