-- A rollup knows when the first of its samples arrived, so that a household sees none that came before its own time.
--
-- The interval alone is the device's clock: one that was fast left intervals ahead of its next owner's first day. An
-- interval that holds samples of both households stays hidden from the new one: it cannot be taken apart.

ALTER TABLE fleet.telemetry_5min ADD COLUMN earliest_received_at timestamptz;
UPDATE fleet.telemetry_5min AS rollup SET earliest_received_at = arrived.at
FROM (
    SELECT thing_name, fleet.interval_start(measured_at) AS interval_start, min(received_at) AS at
    FROM fleet.telemetry GROUP BY 1, 2
) AS arrived
WHERE arrived.thing_name = rollup.thing_name AND arrived.interval_start = rollup.interval_start;
-- Whose samples are gone already is as old as can be.
UPDATE fleet.telemetry_5min SET earliest_received_at = '-infinity' WHERE earliest_received_at IS NULL;
ALTER TABLE fleet.telemetry_5min ALTER COLUMN earliest_received_at SET NOT NULL;
COMMENT ON COLUMN fleet.telemetry_5min.earliest_received_at IS
    'When the first of its samples was received: AWS''s clock, not the device''s.';

CREATE OR REPLACE FUNCTION fleet.roll_up_telemetry() RETURNS trigger
LANGUAGE plpgsql SET search_path = ''
AS $$
BEGIN
    INSERT INTO fleet.telemetry_5min AS rollup
    SELECT thing_name, fleet.interval_start(measured_at) AS interval_start, count(*),
        count(*) FILTER (WHERE grid_online), sum(state_of_charge_pct), min(state_of_charge_pct),
        max(state_of_charge_pct), sum(battery_charge_power_w), sum(battery_discharge_power_w), sum(home_power_w),
        sum(solar_power_w), min(received_at)
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
        solar_power_sum_w = rollup.solar_power_sum_w + excluded.solar_power_sum_w,
        earliest_received_at = least(rollup.earliest_received_at, excluded.earliest_received_at);
    RETURN NULL;
END
$$;

ALTER POLICY owner_or_operator_reads ON fleet.telemetry_5min
    USING (
        (SELECT fleet.is_operator()) OR EXISTS (
            SELECT FROM fleet.registrations AS mine
            WHERE mine.thing_name = telemetry_5min.thing_name AND mine.owner_id = (SELECT fleet.current_user_id())
              AND telemetry_5min.interval_start >= mine.visible_from
              AND telemetry_5min.earliest_received_at >= mine.visible_from
        )
    );
