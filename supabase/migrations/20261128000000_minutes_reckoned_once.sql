-- fleet.telemetry_1min: which minute one is, and how many samples it has, is reckoned once for a minute. As it was, each of its
-- thirty numbers reckoned both anew, which was the larger half of a chart of days.

CREATE OR REPLACE VIEW fleet.telemetry_1min WITH (security_invoker = true) AS
SELECT
    stored.thing_name, minute.bucket_start,
    fleet.at_ms(1000 * fleet.minute_number(bases[3] + slopes[3]::bigint * m, flat.readings, minutes, 3, n)) AS earliest_received_at,
    fleet.at_ms(fleet.minute_number(bases[4] + slopes[4]::bigint * m, flat.readings, minutes, 4, n)) AS first_measured_at,
    fleet.minute_number(bases[5] + slopes[5]::bigint * m, flat.readings, minutes, 5, n) AS first_sequence,
    fleet.minute_number(bases[6] + slopes[6]::bigint * m, flat.readings, minutes, 6, n) / 10.0::float8 AS first_battery_charged_energy_wh,
    fleet.minute_number(bases[7] + slopes[7]::bigint * m, flat.readings, minutes, 7, n) / 10.0::float8 AS first_battery_discharged_energy_wh,
    fleet.minute_number(bases[8] + slopes[8]::bigint * m, flat.readings, minutes, 8, n) / 10.0::float8 AS first_home_energy_wh,
    fleet.minute_number(bases[9] + slopes[9]::bigint * m, flat.readings, minutes, 9, n) / 10.0::float8 AS first_solar_energy_wh,
    fleet.at_ms(fleet.minute_number(bases[10] + slopes[10]::bigint * m, flat.readings, minutes, 10, n)) AS last_measured_at,
    fleet.minute_number(bases[11] + slopes[11]::bigint * m, flat.readings, minutes, 11, n) AS last_sequence,
    fleet.minute_number(bases[12] + slopes[12]::bigint * m, flat.readings, minutes, 12, n) / 10.0::float8 AS last_battery_charge_power_w,
    fleet.minute_number(bases[13] + slopes[13]::bigint * m, flat.readings, minutes, 13, n) / 10.0::float8 AS last_battery_discharge_power_w,
    fleet.minute_number(bases[14] + slopes[14]::bigint * m, flat.readings, minutes, 14, n) / 10.0::float8 AS last_battery_charged_energy_wh,
    fleet.minute_number(bases[15] + slopes[15]::bigint * m, flat.readings, minutes, 15, n) / 10.0::float8 AS last_battery_discharged_energy_wh,
    fleet.minute_number(bases[16] + slopes[16]::bigint * m, flat.readings, minutes, 16, n) / 10.0::float8 AS last_battery_stored_energy_wh,
    fleet.minute_number(bases[17] + slopes[17]::bigint * m, flat.readings, minutes, 17, n) / 10.0::float8 AS last_battery_capacity_energy_wh,
    fleet.minute_number(bases[18] + slopes[18]::bigint * m, flat.readings, minutes, 18, n) / 100.0::float8 AS last_state_of_charge_pct,
    fleet.minute_number(bases[19] + slopes[19]::bigint * m, flat.readings, minutes, 19, n) / 100.0::float8 AS last_backup_reserve_pct,
    fleet.minute_number(bases[20] + slopes[20]::bigint * m, flat.readings, minutes, 20, n) / 10.0::float8 AS last_home_power_w,
    fleet.minute_number(bases[21] + slopes[21]::bigint * m, flat.readings, minutes, 21, n) / 10.0::float8 AS last_home_energy_wh,
    fleet.minute_number(bases[22] + slopes[22]::bigint * m, flat.readings, minutes, 22, n) / 10.0::float8 AS last_solar_power_w,
    fleet.minute_number(bases[23] + slopes[23]::bigint * m, flat.readings, minutes, 23, n) / 10.0::float8 AS last_solar_energy_wh,
    (enum_range(NULL::fleet.battery_mode))[fleet.minute_number(bases[24] + slopes[24]::bigint * m, flat.readings, minutes, 24, n)] AS last_mode,
    nullif(fleet.minute_number(bases[25] + slopes[25]::bigint * m, flat.readings, minutes, 25, n), 0) = 2 AS last_grid_online,
    minute.samples * fleet.minute_number(bases[26] + slopes[26]::bigint * m, flat.readings, minutes, 26, n) / 100.0::float8 AS state_of_charge_sum_pct,
    minute.samples * fleet.minute_number(bases[27] + slopes[27]::bigint * m, flat.readings, minutes, 27, n) / 10.0::float8 AS battery_charge_power_sum_w,
    minute.samples * fleet.minute_number(bases[28] + slopes[28]::bigint * m, flat.readings, minutes, 28, n) / 10.0::float8 AS battery_discharge_power_sum_w,
    minute.samples * fleet.minute_number(bases[29] + slopes[29]::bigint * m, flat.readings, minutes, 29, n) / 10.0::float8 AS home_power_sum_w,
    minute.samples * fleet.minute_number(bases[30] + slopes[30]::bigint * m, flat.readings, minutes, 30, n) / 10.0::float8 AS solar_power_sum_w,
    fleet.minute_number(bases[31] + slopes[31]::bigint * m, flat.readings, minutes, 31, n) / 100.0::float8 AS state_of_charge_min_pct,
    fleet.minute_number(bases[32] + slopes[32]::bigint * m, flat.readings, minutes, 32, n) / 100.0::float8 AS state_of_charge_max_pct,
    minute.samples,
    fleet.minute_number(bases[2] + slopes[2]::bigint * m, flat.readings, minutes, 2, n)::integer AS samples_grid_online,
    stored.bucket_start AS row_from
FROM fleet.telemetry_minutes AS stored
-- Taken out of its compressed form once, and not for each number.
CROSS JOIN LATERAL (SELECT stored.readings || ''::bytea AS readings OFFSET 0) AS flat
-- Reckoned once a minute, and not for each number: what OFFSET keeps together is not pulled apart.
CROSS JOIN LATERAL (
    SELECT n, m, stored.bucket_start + m * interval '1 minute' AS bucket_start,
        fleet.minute_number(bases[1] + slopes[1]::bigint * m, flat.readings, minutes, 1, n)::integer AS samples
    FROM (
        SELECT n, n - 1 + fleet.int16_at(flat.readings, n - 1) AS m
        FROM generate_series(1, stored.minutes::integer) AS n
        OFFSET 0
    ) AS after
    OFFSET 0
) AS minute
UNION ALL
SELECT
    thing_name, bucket_start, earliest_received_at, first_measured_at, first_sequence, first_battery_charged_energy_wh,
    first_battery_discharged_energy_wh, first_home_energy_wh, first_solar_energy_wh, last_measured_at, last_sequence,
    last_battery_charge_power_w, last_battery_discharge_power_w, last_battery_charged_energy_wh,
    last_battery_discharged_energy_wh, last_battery_stored_energy_wh, last_battery_capacity_energy_wh,
    last_state_of_charge_pct, last_backup_reserve_pct, last_home_power_w, last_home_energy_wh, last_solar_power_w,
    last_solar_energy_wh, last_mode, last_grid_online, state_of_charge_sum_pct, battery_charge_power_sum_w,
    battery_discharge_power_sum_w, home_power_sum_w, solar_power_sum_w, state_of_charge_min_pct, state_of_charge_max_pct,
    samples, samples_grid_online, bucket_start
FROM fleet.telemetry_1min_rows;
