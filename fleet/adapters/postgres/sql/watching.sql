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
-- Batteries one of whose counters moved, from one chunk to the next since then, as no energy does: fleet.counted_wh has
-- the rule. The end of a chunk is compared with that of the chunk before, at most an hour earlier.
SELECT device.thing_name, count(*) AS steps, max(step.last_measured_at) AS measured_at
FROM fleet.devices AS device
CROSS JOIN LATERAL (
    SELECT last_measured_at, extract(epoch FROM last_measured_at - lag(last_measured_at) OVER own_order)::float8 AS length_s,
        charged_wh, lag(charged_wh) OVER own_order AS charged_before_wh,
        discharged_wh, lag(discharged_wh) OVER own_order AS discharged_before_wh,
        home_wh, lag(home_wh) OVER own_order AS home_before_wh, solar_wh, lag(solar_wh) OVER own_order AS solar_before_wh,
        greatest(charge_w, lag(charge_w) OVER own_order) AS charge_w,
        greatest(discharge_w, lag(discharge_w) OVER own_order) AS discharge_w,
        greatest(home_w, lag(home_w) OVER own_order) AS home_w,
        greatest(solar_w, lag(solar_w) OVER own_order) AS solar_w
    FROM (
        SELECT last_measured_at, first_sequence + samples AS next_sequence,
            fleet.reading(bases, readings, 1, samples, 10) AS charge_w,
            fleet.reading(bases, readings, 2, samples, 10) AS discharge_w,
            fleet.reading(bases, readings, 3, samples, 10) AS charged_wh,
            fleet.reading(bases, readings, 4, samples, 10) AS discharged_wh,
            fleet.reading(bases, readings, 9, samples, 10) AS home_w,
            fleet.reading(bases, readings, 10, samples, 10) AS home_wh,
            fleet.reading(bases, readings, 11, samples, 10) AS solar_w,
            fleet.reading(bases, readings, 12, samples, 10) AS solar_wh
        FROM fleet.telemetry_chunks
        WHERE thing_name = device.thing_name AND first_measured_at >= %(since)s AND first_measured_at <= now()
    ) AS chunk
    WINDOW own_order AS (ORDER BY next_sequence)
) AS step
WHERE device.step = 'done' AND step.length_s > 0 AND step.length_s <= 3600 AND (
    fleet.counted_wh(charged_before_wh, charged_wh, charge_w, length_s, length_s, 3600) IS NULL
    OR fleet.counted_wh(discharged_before_wh, discharged_wh, discharge_w, length_s, length_s, 3600) IS NULL
    OR fleet.counted_wh(home_before_wh, home_wh, home_w, length_s, length_s, 3600) IS NULL
    OR fleet.counted_wh(solar_before_wh, solar_wh, solar_w, length_s, length_s, 3600) IS NULL
)
GROUP BY device.thing_name ORDER BY device.thing_name
