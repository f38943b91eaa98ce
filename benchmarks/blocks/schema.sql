-- A run of samples is a row: a base for each reading, and its differences where it changed. For `benchmarks.storage`, on top
-- of the migrations: what comes in order goes here, what does not into fleet.telemetry, a sample a row, and fleet.samples
-- shows both.

CREATE TABLE fleet.telemetry_blocks (
    thing_name text NOT NULL,
    first_measured_at timestamptz NOT NULL,
    first_sequence bigint NOT NULL,
    last_measured_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    stored_at timestamptz NOT NULL,
    step_ms integer NOT NULL,
    samples smallint NOT NULL,
    jitter_ms smallint[],
    mode fleet.battery_mode,
    grid_online boolean,
    battery_charge_power_w_base integer,
    battery_charge_power_w_diff smallint[],
    battery_discharge_power_w_base integer,
    battery_discharge_power_w_diff smallint[],
    battery_charged_energy_wh_base bigint,
    battery_charged_energy_wh_diff smallint[],
    battery_discharged_energy_wh_base bigint,
    battery_discharged_energy_wh_diff smallint[],
    battery_stored_energy_wh_base bigint,
    battery_stored_energy_wh_diff smallint[],
    battery_capacity_energy_wh_base bigint,
    battery_capacity_energy_wh_diff smallint[],
    state_of_charge_pct_base integer,
    state_of_charge_pct_diff smallint[],
    backup_reserve_pct_base integer,
    backup_reserve_pct_diff smallint[],
    home_power_w_base integer,
    home_power_w_diff smallint[],
    home_energy_wh_base bigint,
    home_energy_wh_diff smallint[],
    solar_power_w_base integer,
    solar_power_w_diff smallint[],
    solar_energy_wh_base bigint,
    solar_energy_wh_diff smallint[],
    PRIMARY KEY (thing_name, first_measured_at, first_sequence)
) PARTITION BY RANGE (first_measured_at);
COMMENT ON TABLE fleet.telemetry_blocks IS
    'Samples whose sequences follow one another, in the order of their times: of one hour (UTC), five minutes at most, one '
    'mode, one state of the grid. The n-th (from 0) was measured n * step_ms + jitter_ms[n + 1] after the first. A reading '
    'is base + diff[n + 1] in tenths of W and Wh and hundredths of a percent; all have the base where there is no diff.';
CREATE TABLE fleet.telemetry_blocks_default PARTITION OF fleet.telemetry_blocks DEFAULT;

CREATE FUNCTION fleet.reading(p_base bigint, p_diff smallint[], p_number integer, p_scale integer)
RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT (p_base + CASE WHEN p_diff IS NULL THEN 0 ELSE p_diff[p_number + 1] END)::double precision / p_scale $$;
COMMENT ON FUNCTION fleet.reading IS 'A reading of the n-th sample (from 0) of a block, or NULL.';

CREATE FUNCTION fleet.samples_of(p_block fleet.telemetry_blocks) RETURNS TABLE (
    measured_at timestamptz, sequence bigint, battery_charge_power_w double precision, battery_discharge_power_w
    double precision, battery_charged_energy_wh double precision, battery_discharged_energy_wh double precision,
    battery_stored_energy_wh double precision, battery_capacity_energy_wh double precision, state_of_charge_pct double
    precision, backup_reserve_pct double precision, home_power_w double precision, home_energy_wh double precision,
    solar_power_w double precision, solar_energy_wh double precision
)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT p_block.first_measured_at
            + (p_block.step_ms::bigint * number + coalesce(p_block.jitter_ms[number + 1], 0)) * interval '1 millisecond',
        p_block.first_sequence + number,
        fleet.reading(p_block.battery_charge_power_w_base, p_block.battery_charge_power_w_diff, number, 10),
        fleet.reading(p_block.battery_discharge_power_w_base, p_block.battery_discharge_power_w_diff, number, 10),
        fleet.reading(p_block.battery_charged_energy_wh_base, p_block.battery_charged_energy_wh_diff, number, 10),
        fleet.reading(p_block.battery_discharged_energy_wh_base, p_block.battery_discharged_energy_wh_diff, number, 10),
        fleet.reading(p_block.battery_stored_energy_wh_base, p_block.battery_stored_energy_wh_diff, number, 10),
        fleet.reading(p_block.battery_capacity_energy_wh_base, p_block.battery_capacity_energy_wh_diff, number, 10),
        fleet.reading(p_block.state_of_charge_pct_base, p_block.state_of_charge_pct_diff, number, 100),
        fleet.reading(p_block.backup_reserve_pct_base, p_block.backup_reserve_pct_diff, number, 100),
        fleet.reading(p_block.home_power_w_base, p_block.home_power_w_diff, number, 10),
        fleet.reading(p_block.home_energy_wh_base, p_block.home_energy_wh_diff, number, 10),
        fleet.reading(p_block.solar_power_w_base, p_block.solar_power_w_diff, number, 10),
        fleet.reading(p_block.solar_energy_wh_base, p_block.solar_energy_wh_diff, number, 10)
    FROM generate_series(0, p_block.samples - 1) AS number
$$;
COMMENT ON FUNCTION fleet.samples_of IS 'The samples of a block, in order.';

CREATE VIEW fleet.samples WITH (security_invoker = true) AS
SELECT block.thing_name, sample.measured_at, sample.sequence, block.received_at, block.stored_at, block.mode,
    block.grid_online,
    sample.battery_charge_power_w, sample.battery_discharge_power_w, sample.battery_charged_energy_wh,
    sample.battery_discharged_energy_wh, sample.battery_stored_energy_wh, sample.battery_capacity_energy_wh,
    sample.state_of_charge_pct, sample.backup_reserve_pct, sample.home_power_w, sample.home_energy_wh,
    sample.solar_power_w, sample.solar_energy_wh,
    block.first_measured_at AS block_from, block.last_measured_at AS block_until
FROM fleet.telemetry_blocks AS block CROSS JOIN LATERAL fleet.samples_of(block) AS sample
UNION ALL
SELECT thing_name, measured_at, sequence, received_at, stored_at, mode, grid_online,
    battery_charge_power_w, battery_discharge_power_w, battery_charged_energy_wh, battery_discharged_energy_wh,
    battery_stored_energy_wh, battery_capacity_energy_wh, state_of_charge_pct, backup_reserve_pct, home_power_w,
    home_energy_wh, solar_power_w, solar_energy_wh,
    measured_at, measured_at
FROM fleet.telemetry;
COMMENT ON VIEW fleet.samples IS
    'Every sample that the database has, whichever way it is stored. Who asks for a time names block_from, from five minutes '
    'earlier on, and block_until beside measured_at: then only the blocks of that time are looked into.';

ALTER TABLE fleet.telemetry_latest ADD COLUMN newest_measured_at timestamptz;
COMMENT ON COLUMN fleet.telemetry_latest.newest_measured_at IS
    'By the device''s clock: nothing that is stored of it was measured later.';

CREATE FUNCTION fleet.mark_dirty_minutes_of_blocks() RETURNS trigger
LANGUAGE plpgsql SET search_path = ''
AS $$
BEGIN
    INSERT INTO fleet.telemetry_dirty (thing_name, bucket_start)
    SELECT DISTINCT thing_name, minute
    FROM stored, generate_series(
        date_bin('1 minute', first_measured_at, '2000-01-01T00:00:00Z'), last_measured_at, interval '1 minute'
    ) AS minute;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION fleet.mark_dirty_minutes_of_blocks IS 'The same for blocks.';
CREATE TRIGGER mark_dirty_minutes AFTER INSERT ON fleet.telemetry_blocks
REFERENCING NEW TABLE AS stored FOR EACH STATEMENT EXECUTE FUNCTION fleet.mark_dirty_minutes_of_blocks();
