-- name: fleet_figures
-- The fleet in one row: batteries by what they are, what those heard since then do together, and what waits.
SELECT count(*) FILTER (WHERE in_service) AS in_service, count(*) FILTER (WHERE heard) AS heard_lately,
    count(*) FILTER (WHERE in_service AND received_at IS NULL) AS never_heard,
    count(*) FILTER (WHERE step NOT IN ('done', 'retiring', 'retired') AND failure IS NULL) AS being_provisioned,
    count(*) FILTER (WHERE step NOT IN ('retired') AND failure IS NOT NULL) AS failed,
    count(*) FILTER (WHERE step = 'done' AND ended_by = 'revoked') AS revoked,
    avg(state_of_charge_pct) FILTER (WHERE heard) AS state_of_charge_pct,
    coalesce(sum(battery_charge_power_w) FILTER (WHERE heard), 0) AS charge_power_w,
    coalesce(sum(battery_discharge_power_w) FILTER (WHERE heard), 0) AS discharge_power_w,
    coalesce(sum(battery_stored_energy_wh) FILTER (WHERE heard), 0) AS stored_energy_wh,
    max(received_at) AS newest_message_at,
    (SELECT count(*) FROM fleet.registrations) AS registered,
    (SELECT count(*) FROM fleet.registrations WHERE commission_status = 'commissioned') AS known_to_flip,
    (SELECT count(*) FROM fleet.commands
        WHERE state IN ('received', 'pending', 'delivered', 'acknowledged', 'running')) AS open_commands,
    (SELECT count(*) FROM fleet.quarantine WHERE replayed_at IS NULL) AS in_quarantine,
    (SELECT count(*) FROM fleet.flip_requests WHERE status IN ('pending', 'running')) AS waiting_flip_requests
FROM (
    SELECT device.step, device.failure, held.ended_by, latest.*,
        device.step = 'done' AND held.ended_by IS NULL AS in_service,
        device.step = 'done' AND held.ended_by IS NULL AND latest.received_at >= %(since)s AS heard
    FROM fleet.devices AS device
    LEFT JOIN fleet.certificates AS held USING (certificate_id)
    LEFT JOIN fleet.telemetry_latest AS latest ON latest.thing_name = device.thing_name
) AS battery

-- name: device
-- One battery as the ledger, its newest message and its registration have it.
SELECT device.thing_name, device.model,
    CASE WHEN held.ended_by = 'revoked' THEN 'revoked' ELSE device.step::text END AS step, device.failure,
    device.provisioned_at, device.certificate_id, held.expires_at AS certificate_expires_at,
    latest.received_at AS last_seen, latest.measured_at, latest.mode, latest.state_of_charge_pct,
    latest.battery_charge_power_w, latest.battery_discharge_power_w, latest.home_power_w, latest.solar_power_w,
    latest.grid_online, latest.clock_skew_s, mine.site_id, mine.registered_at,
    mine.commission_status::text AS commission_status, mine.commission_message,
    (SELECT count(*) FROM fleet.quarantine AS set_aside
        WHERE set_aside.thing_name = device.thing_name AND replayed_at IS NULL) AS in_quarantine
FROM fleet.devices AS device
LEFT JOIN fleet.certificates AS held USING (certificate_id)
LEFT JOIN fleet.telemetry_latest AS latest ON latest.thing_name = device.thing_name
LEFT JOIN fleet.registrations AS mine ON mine.thing_name = device.thing_name
WHERE device.thing_name = %(thing_name)s

-- name: certificates_of
-- Every certificate that a battery has or had, the newest first.
SELECT certificate_id, added_at, expires_at, ended_at, ended_by FROM fleet.certificates
WHERE thing_name = %(thing_name)s ORDER BY added_at DESC, certificate_id

-- name: commands
-- Commands by their start, the latest first; of one battery and what is not over where that is asked for.
SELECT command_id, thing_name, state::text AS state, mode, setpoint_w, starts_at, ends_at, flip_status, delivered_at,
    acknowledged_at, finished_at, reported AS told_flip, reason
FROM fleet.commands
WHERE %(thing_name)s IN ('', thing_name)
    AND (NOT %(is_open)s OR state IN ('received', 'pending', 'delivered', 'acknowledged', 'running'))
ORDER BY starts_at DESC, thing_name, command_id LIMIT %(limit)s

-- name: command_steps
-- What a command went through, from its first word on.
SELECT at, revision, from_state::text AS from_state, to_state::text AS to_state, cause
FROM fleet.command_transitions WHERE command_id = %(command_id)s ORDER BY transition_id

-- name: events
-- A utility's events as Flip told of them, the latest first; what is not over at `now` where that is asked for.
SELECT event_id, site_id, status, is_participating AS takes_part, starts_at, ends_at,
    (SELECT string_agg(DISTINCT part ->> 'mode', ', ') FROM jsonb_array_elements(schedule) AS part) AS modes, heard_at
FROM fleet.flip_events
WHERE NOT %(is_open)s OR (status NOT IN ('CANCELED', 'COMPLETED') AND (ends_at IS NULL OR ends_at > now()))
ORDER BY starts_at DESC, event_id LIMIT %(limit)s

-- name: quarantined
-- Messages that wait in the quarantine, the newest first, without their bodies.
SELECT quarantine_id, coalesce(sent_at, quarantined_at) AS received_at, thing_name, reason, detail,
    octet_length(body) AS body_bytes
FROM fleet.quarantine
WHERE replayed_at IS NULL AND %(thing_name)s IN ('', thing_name) AND %(reason)s IN ('', reason)
ORDER BY quarantine_id DESC LIMIT %(limit)s

-- name: quarantined_message
-- One message of the quarantine whole, replayed or not.
SELECT quarantine_id, message_id, reason, detail, thing_name, sent_at, quarantined_at, replayed_at, body
FROM fleet.quarantine WHERE quarantine_id = %(quarantine_id)s
