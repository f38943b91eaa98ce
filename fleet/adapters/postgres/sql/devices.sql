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
-- Which of these devices are provisioned, and not revoked.
SELECT device.thing_name FROM fleet.devices AS device LEFT JOIN fleet.certificates AS held USING (certificate_id)
WHERE device.thing_name = ANY(%(thing_names)s) AND step = 'done' AND ended_at IS NULL

-- name: entry
-- How far one device is.
SELECT device.thing_name, step, device.public_key_sha256, certificate_requested_at, device.certificate_id,
    certificate_arn, coalesce(held.ended_by = 'revoked', false) AS is_revoked
FROM fleet.devices AS device LEFT JOIN fleet.certificates AS held USING (certificate_id)
WHERE device.thing_name = %(thing_name)s

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

-- name: expiry
-- A certificate's own end.
UPDATE fleet.certificates SET expires_at = %(expires_at)s WHERE certificate_id = %(certificate_id)s

-- name: reached
-- A step further; whatever failed before is over.
UPDATE fleet.devices SET step = %(step)s::fleet.provisioning_step, failure = NULL, updated_at = now(),
    provisioned_at = CASE WHEN %(step)s::text = 'done' THEN coalesce(provisioned_at, now()) ELSE provisioned_at END
WHERE thing_name = %(thing_name)s

-- name: retiring
-- From here on nothing counts that comes by its certificates, and they may be gone at AWS.
WITH ended AS (
    UPDATE fleet.certificates SET ended_at = now(), ended_by = 'decommissioned'
    WHERE thing_name = %(thing_name)s AND ended_at IS NULL
)
UPDATE fleet.devices SET step = 'retiring', failure = NULL, updated_at = now() WHERE thing_name = %(thing_name)s

-- name: certificates
-- Every certificate that a device ever had.
SELECT certificate_id FROM fleet.certificates WHERE thing_name = %(thing_name)s ORDER BY added_at, certificate_id

-- name: unanswered_request
-- A request of the device's rotation for which a certificate may exist that is not written down.
SELECT request_pem, creating_since FROM fleet.rotations
WHERE thing_name = %(thing_name)s AND request_pem IS NOT NULL AND creating_since IS NOT NULL

-- name: revoked
-- From here on nothing counts that comes from it or by its certificates.
WITH silenced AS (
    UPDATE fleet.devices SET silenced_at = coalesce(silenced_at, now()), updated_at = now()
    WHERE thing_name = %(thing_name)s
)
UPDATE fleet.certificates SET ended_at = now(), ended_by = 'revoked'
WHERE thing_name = %(thing_name)s AND ended_at IS NULL

-- name: revoked_certificates
-- What is not to be let in any more.
SELECT certificate_id FROM fleet.certificates
WHERE thing_name = %(thing_name)s AND ended_by = 'revoked' ORDER BY certificate_id

-- name: restored
-- It counts again by its certificate, if that ended by being revoked: what comes from now on.
WITH heard AS (
    UPDATE fleet.devices SET silenced_at = NULL, updated_at = now() WHERE thing_name = %(thing_name)s
    RETURNING certificate_id
)
UPDATE fleet.certificates AS held SET ended_at = NULL, ended_by = NULL
FROM heard WHERE held.certificate_id = heard.certificate_id AND held.ended_by = 'revoked'

-- name: retired
-- Out of service, and nobody's: what its owner had is ended in the same transaction, on record.
WITH ended AS (
    UPDATE fleet.certificates SET ended_at = now(), ended_by = 'decommissioned'
    WHERE thing_name = %(thing_name)s AND ended_at IS NULL
), rotation AS (
    DELETE FROM fleet.rotations WHERE thing_name = %(thing_name)s
), gone AS (
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
WHERE NOT EXISTS (SELECT FROM fleet.certificates AS known WHERE known.certificate_id = certificate_id.certificate_id)

-- name: list_devices
-- The fleet, with the latest state of each device.
SELECT device.thing_name, device.model, CASE WHEN held.ended_by = 'revoked' THEN 'revoked' ELSE device.step::text END AS step,
    left(device.certificate_id, 12) AS certificate, held.expires_at, device.failure, device.provisioned_at,
    latest.received_at AS last_seen, latest.state_of_charge_pct, latest.mode, latest.clock_skew_s
FROM fleet.devices AS device
LEFT JOIN fleet.certificates AS held USING (certificate_id)
LEFT JOIN fleet.telemetry_latest AS latest ON latest.thing_name = device.thing_name
ORDER BY device.thing_name LIMIT %(limit)s

-- name: books
-- Every device, with how far it is and its certificate.
SELECT thing_name, step::text AS step, certificate_id FROM fleet.devices

-- name: certificate_books
-- Every certificate that a device has or had, and how it ended.
SELECT certificate_id, thing_name, coalesce(ended_by, '') AS ended_by FROM fleet.certificates

-- name: is_in_use
-- Whether a certificate is a device's that has not ended.
SELECT FROM fleet.certificates WHERE certificate_id = %(certificate_id)s AND ended_at IS NULL

-- name: model
-- A device's model.
SELECT model FROM fleet.devices WHERE thing_name = %(thing_name)s

-- name: names_beginning_with
-- Names for a shell's completion.
SELECT thing_name FROM fleet.devices WHERE starts_with(thing_name, %(start)s) ORDER BY thing_name LIMIT %(limit)s
