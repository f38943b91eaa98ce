-- name: plan
-- A row for each device that has none, and a fresh one for each that was retired.
INSERT INTO fleet.devices AS device (thing_name, model, key_on_device)
SELECT * FROM unnest(%(thing_names)s::text[], %(models)s::text[], %(keys_on_device)s::boolean[])
ON CONFLICT (thing_name) DO UPDATE SET
    step = 'planned', model = excluded.model, key_on_device = excluded.key_on_device, public_key_sha256 = NULL,
    certificate_requested_at = NULL, certificate_id = NULL, certificate_arn = NULL, failure = NULL, updated_at = now(),
    provisioned_at = NULL
WHERE device.step = 'retired'

-- name: done
-- Which of these devices are provisioned.
SELECT thing_name FROM fleet.devices WHERE thing_name = ANY(%(thing_names)s) AND step = 'done'

-- name: entry
-- How far one device is.
SELECT thing_name, step, public_key_sha256, certificate_requested_at, certificate_id, certificate_arn
FROM fleet.devices WHERE thing_name = %(thing_name)s

-- name: claim
-- One run at a time works on a device: held until the session ends, however it ends.
SELECT pg_try_advisory_lock(hashtextextended('fleet.devices/' || %(thing_name)s, 0)) AS claimed

-- name: release
-- Another run may work on the device now.
SELECT pg_advisory_unlock(hashtextextended('fleet.devices/' || %(thing_name)s, 0))

-- name: certificate_requested
-- Before the call: from here on a certificate may exist that is not written down.
UPDATE fleet.devices SET step = 'certificate_requested', public_key_sha256 = %(public_key_sha256)s,
    certificate_requested_at = now(), updated_at = now()
WHERE thing_name = %(thing_name)s

-- name: certificate_created
-- After the call: which certificate it is.
UPDATE fleet.devices SET step = 'certificate_created', certificate_id = %(certificate_id)s,
    certificate_arn = %(certificate_arn)s, updated_at = now()
WHERE thing_name = %(thing_name)s

-- name: reached
-- A step further; whatever failed before is over.
UPDATE fleet.devices SET step = %(step)s::fleet.provisioning_step, failure = NULL, updated_at = now(),
    provisioned_at = CASE WHEN %(step)s::text = 'done' THEN coalesce(provisioned_at, now()) ELSE provisioned_at END
WHERE thing_name = %(thing_name)s

-- name: retired
-- Out of service, and nobody's: what its owner had is ended in the same transaction, on record.
WITH gone AS (
    DELETE FROM fleet.registrations WHERE thing_name = %(thing_name)s RETURNING thing_name, owner_id, certificate_id
), recorded AS (
    INSERT INTO fleet.registration_events (thing_name, kind, from_owner_id, certificate_id)
    SELECT thing_name, 'retired', owner_id, certificate_id FROM gone
), dropped AS (
    UPDATE fleet.flip_requests SET status = 'failed', message = 'The battery was taken out of service.',
        finished_at = now(), updated_at = now()
    WHERE thing_name = %(thing_name)s AND status = 'pending' AND kind <> 'remove_device'
)
UPDATE fleet.devices SET step = 'retired', failure = NULL, updated_at = now() WHERE thing_name = %(thing_name)s

-- name: failed
-- Why the attempt stopped; the step stays.
UPDATE fleet.devices SET failure = %(failure)s, updated_at = now() WHERE thing_name = %(thing_name)s

-- name: unknown_certificates
-- Which of these certificates no device has.
SELECT certificate_id FROM unnest(%(certificate_ids)s::text[]) AS certificate_id
WHERE NOT EXISTS (SELECT FROM fleet.devices AS device WHERE device.certificate_id = certificate_id.certificate_id)

-- name: list_devices
-- The fleet, with the latest state of each device.
SELECT device.thing_name, device.model, device.step, left(device.certificate_id, 12) AS certificate, device.failure, device.provisioned_at,
    latest.received_at AS last_seen, latest.state_of_charge_pct, latest.mode, latest.clock_skew_s
FROM fleet.devices AS device LEFT JOIN fleet.telemetry_latest AS latest USING (thing_name)
ORDER BY device.thing_name LIMIT %(limit)s
