-- name: silent
-- Batteries in service that were heard once and have not been since then, the longest silent first. One that never spoke
-- is still in its box.
SELECT thing_name, latest.received_at AS heard_at
FROM fleet.devices AS device JOIN fleet.telemetry_latest AS latest USING (thing_name)
WHERE device.step = 'done' AND latest.received_at < %(since)s AND latest.received_at >= device.provisioned_at
ORDER BY latest.received_at, thing_name

-- name: newest_stored
-- When IoT Core received the newest message that is stored. None before the first.
SELECT max(received_at) AS received_at FROM fleet.telemetry_latest

-- name: quarantined
-- What came into the quarantine since then and waits there, by reason.
SELECT reason, count(*) AS messages, count(DISTINCT thing_name) AS batteries, sum(count(*)) OVER () AS in_all
FROM fleet.quarantine WHERE replayed_at IS NULL AND quarantined_at >= %(since)s
GROUP BY reason ORDER BY messages DESC, reason

-- name: expiring
-- Batteries in service whose certificate ends before then, the first to end first.
SELECT device.thing_name, held.expires_at
FROM fleet.devices AS device JOIN fleet.certificates AS held USING (certificate_id)
WHERE device.step = 'done' AND held.ended_at IS NULL AND held.expires_at < %(before)s
ORDER BY held.expires_at, device.thing_name

-- name: unanswered
-- Commands that Flip wants to happen, in a revision from before then that the battery has not answered, and not over.
SELECT command_id, thing_name, revised_at FROM fleet.commands
WHERE state IN ('received', 'pending', 'delivered') AND flip_status = 'OK' AND acknowledged_at IS NULL
    AND revised_at < %(before)s AND (ends_at IS NULL OR ends_at > now())
ORDER BY revised_at, command_id

-- name: unexplained
-- Batteries that since then acknowledged what was never said to them.
SELECT thing_name, claimed_sequence, told_sequence, last_at FROM fleet.unexplained_acknowledgements
WHERE last_at >= %(since)s ORDER BY last_at DESC, thing_name

-- name: doubtful
-- Batteries one of whose counters moved, from one minute to the next since then, as no energy does: fleet.counted_wh has
-- the rule. The end of a minute is compared with that of the minute before, at most an hour earlier.
SELECT device.thing_name, count(*) AS steps, max(step.last_measured_at) AS measured_at
FROM fleet.devices AS device
CROSS JOIN LATERAL (
    SELECT minute.*, extract(epoch FROM last_measured_at - lag(last_measured_at) OVER own_order)::float8 AS length_s,
        lag(last_battery_charged_energy_wh) OVER own_order AS charged_wh,
        lag(last_battery_discharged_energy_wh) OVER own_order AS discharged_wh,
        lag(last_home_energy_wh) OVER own_order AS home_wh,
        lag(last_solar_energy_wh) OVER own_order AS solar_wh,
        greatest(last_battery_charge_power_w, lag(last_battery_charge_power_w) OVER own_order) AS charge_w,
        greatest(last_battery_discharge_power_w, lag(last_battery_discharge_power_w) OVER own_order) AS discharge_w,
        greatest(last_home_power_w, lag(last_home_power_w) OVER own_order) AS home_w,
        greatest(last_solar_power_w, lag(last_solar_power_w) OVER own_order) AS solar_w
    FROM fleet.telemetry_1min AS minute
    WHERE minute.thing_name = device.thing_name AND minute.bucket_start >= %(since)s AND minute.bucket_start <= now()
    WINDOW own_order AS (ORDER BY last_sequence)
) AS step
WHERE device.step = 'done' AND step.length_s > 0 AND step.length_s <= 3600 AND (
    fleet.counted_wh(charged_wh, last_battery_charged_energy_wh, charge_w, length_s, length_s, 3600) IS NULL
    OR fleet.counted_wh(discharged_wh, last_battery_discharged_energy_wh, discharge_w, length_s, length_s, 3600) IS NULL
    OR fleet.counted_wh(home_wh, last_home_energy_wh, home_w, length_s, length_s, 3600) IS NULL
    OR fleet.counted_wh(solar_wh, last_solar_energy_wh, solar_w, length_s, length_s, 3600) IS NULL
)
GROUP BY device.thing_name ORDER BY device.thing_name
