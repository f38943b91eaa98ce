-- Rollups of 1 minute and of 1 hour: what charts, readiness and forwarding read instead of half a million samples.
--
-- The statement that stores samples only marks the minutes that it touched; `fleet/adapters/postgres/sql/rollups.sql` computes
-- those anew from the samples, and their hours from the minutes. So a late sample, one out of order and one that is
-- delivered twice come out right, and storing stays cheap.

CREATE TABLE fleet.telemetry_1min (
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
) WITH (fillfactor = 85); -- a minute is computed once or twice
COMMENT ON TABLE fleet.telemetry_1min IS
    'Each device''s samples of a whole minute of its clock (UTC): sums (sum / samples is the average), the range of the '
    'state of charge, the first sample''s counters and the last sample. Powers in W, energies in Wh, shares in percent.';
COMMENT ON COLUMN fleet.telemetry_1min.earliest_received_at IS
    'When the first of its samples was received: AWS''s clock, not the device''s.';

CREATE TABLE fleet.telemetry_1h (
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
) WITH (fillfactor = 70); -- an hour is computed anew as long as it lasts: room for that on the page
COMMENT ON TABLE fleet.telemetry_1h IS 'The minutes of telemetry_1min by whole hours (UTC), in the same units.';
COMMENT ON COLUMN fleet.telemetry_1h.intervals_present IS
    'Which of its twelve 5-minute intervals have a sample: bit n (from 0) stands for the one that begins at 5 n minutes.';

-- A queue without keys: whoever stores appends, whoever rolls up takes what is committed. With a unique key, a mark that
-- is just being worked off would swallow, or hold up, the mark of a sample that is just being stored.
CREATE TABLE fleet.telemetry_dirty (
    thing_name text NOT NULL,
    bucket_start timestamptz NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);
COMMENT ON TABLE fleet.telemetry_dirty IS 'Minutes whose samples changed since they were rolled up; the same one may be here twice.';

ALTER TABLE fleet.telemetry_1min ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.telemetry_1h ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.telemetry_dirty ENABLE ROW LEVEL SECURITY;

CREATE FUNCTION fleet.interval_start(at timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT date_bin('5 minutes', at, '2000-01-01T00:00:00Z') $$;
COMMENT ON FUNCTION fleet.interval_start IS 'The start of the 5-minute interval that holds a moment.';

CREATE FUNCTION fleet.mark_dirty_minutes() RETURNS trigger
LANGUAGE plpgsql SET search_path = ''
AS $$
BEGIN
    INSERT INTO fleet.telemetry_dirty (thing_name, bucket_start)
    SELECT DISTINCT thing_name, date_bin('1 minute', measured_at, '2000-01-01T00:00:00Z') FROM stored;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION fleet.mark_dirty_minutes IS 'Marks the minutes of the samples that a statement stored, in its transaction.';

CREATE TRIGGER mark_dirty_minutes AFTER INSERT ON fleet.telemetry
REFERENCING NEW TABLE AS stored FOR EACH STATEMENT EXECUTE FUNCTION fleet.mark_dirty_minutes();

-- What was stored before there were rollups.
INSERT INTO fleet.telemetry_dirty
SELECT DISTINCT thing_name, date_bin('1 minute', measured_at, '2000-01-01T00:00:00Z') FROM fleet.telemetry;

REVOKE ALL ON FUNCTION fleet.interval_start(timestamptz), fleet.mark_dirty_minutes() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION fleet.interval_start(timestamptz) TO authenticated;
