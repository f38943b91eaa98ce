-- Five-minute rollups: what charts over days and the readiness for a program read instead of half a million samples.
--
-- Kept up to date by the statement that stores the samples, in its transaction, from the rows that were really new: a
-- redelivered message counts nothing twice, a late one finds its interval.

CREATE TABLE fleet.telemetry_5min (
    thing_name text NOT NULL,
    interval_start timestamptz NOT NULL,
    samples integer NOT NULL,
    samples_grid_online integer NOT NULL,
    state_of_charge_sum_pct double precision NOT NULL,
    state_of_charge_min_pct double precision NOT NULL,
    state_of_charge_max_pct double precision NOT NULL,
    battery_charge_power_sum_w double precision NOT NULL,
    battery_discharge_power_sum_w double precision NOT NULL,
    home_power_sum_w double precision NOT NULL,
    solar_power_sum_w double precision NOT NULL,
    PRIMARY KEY (thing_name, interval_start)
) WITH (fillfactor = 70); -- an interval is changed a few times while it lasts: room for that on the page
COMMENT ON TABLE fleet.telemetry_5min IS
    'Sums over the samples of each device and 5 minutes of its clock (UTC, whole multiples of 5 minutes); sum / samples '
    'is the average. Powers in W, shares in percent.';
ALTER TABLE fleet.telemetry_5min ENABLE ROW LEVEL SECURITY;

CREATE FUNCTION fleet.interval_start(at timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT date_bin('5 minutes', at, '2000-01-01T00:00:00Z') $$;
COMMENT ON FUNCTION fleet.interval_start IS 'The start of the 5-minute interval that holds a moment.';

CREATE FUNCTION fleet.roll_up_telemetry() RETURNS trigger
LANGUAGE plpgsql SET search_path = ''
AS $$
BEGIN
    INSERT INTO fleet.telemetry_5min AS rollup
    SELECT thing_name, fleet.interval_start(measured_at) AS interval_start, count(*),
        count(*) FILTER (WHERE grid_online), sum(state_of_charge_pct), min(state_of_charge_pct),
        max(state_of_charge_pct), sum(battery_charge_power_w), sum(battery_discharge_power_w), sum(home_power_w),
        sum(solar_power_w)
    FROM stored
    GROUP BY 1, 2
    ORDER BY 1, 2 -- two runs at once take the rows in one order, so neither waits for the other in a circle
    ON CONFLICT (thing_name, interval_start) DO UPDATE SET
        samples = rollup.samples + excluded.samples,
        samples_grid_online = rollup.samples_grid_online + excluded.samples_grid_online,
        state_of_charge_sum_pct = rollup.state_of_charge_sum_pct + excluded.state_of_charge_sum_pct,
        state_of_charge_min_pct = least(rollup.state_of_charge_min_pct, excluded.state_of_charge_min_pct),
        state_of_charge_max_pct = greatest(rollup.state_of_charge_max_pct, excluded.state_of_charge_max_pct),
        battery_charge_power_sum_w = rollup.battery_charge_power_sum_w + excluded.battery_charge_power_sum_w,
        battery_discharge_power_sum_w = rollup.battery_discharge_power_sum_w + excluded.battery_discharge_power_sum_w,
        home_power_sum_w = rollup.home_power_sum_w + excluded.home_power_sum_w,
        solar_power_sum_w = rollup.solar_power_sum_w + excluded.solar_power_sum_w;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION fleet.roll_up_telemetry IS 'Adds the samples that a statement stored to their 5-minute intervals.';

CREATE TRIGGER roll_up AFTER INSERT ON fleet.telemetry
REFERENCING NEW TABLE AS stored FOR EACH STATEMENT EXECUTE FUNCTION fleet.roll_up_telemetry();

-- What was stored before there were rollups.
INSERT INTO fleet.telemetry_5min
SELECT thing_name, fleet.interval_start(measured_at), count(*), count(*) FILTER (WHERE grid_online),
    sum(state_of_charge_pct), min(state_of_charge_pct), max(state_of_charge_pct), sum(battery_charge_power_w),
    sum(battery_discharge_power_w), sum(home_power_w), sum(solar_power_w)
FROM fleet.telemetry GROUP BY 1, 2;

REVOKE ALL ON FUNCTION fleet.interval_start(timestamptz), fleet.roll_up_telemetry() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION fleet.interval_start(timestamptz) TO authenticated;
