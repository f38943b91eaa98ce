-- name: open
-- Which of these devices are in rotation and have not proven a new certificate. Commas are between the names.
SELECT thing_name, former_certificate_id FROM string_to_table(%(things)s, ',') AS named (thing_name) CROSS JOIN LATERAL (
    SELECT former_certificate_id FROM fleet.rotations
    WHERE rotations.thing_name = named.thing_name AND finished_at IS NULL AND proven_at IS NULL OFFSET 0
) AS of_one

-- name: answer
-- A device's request, if it is newer than the one before.
UPDATE fleet.rotations SET request_pem = %(request_pem)s, requested_at = %(received_at)s
WHERE thing_name = %(thing_name)s AND rotation_id = %(rotation_id)s::uuid AND finished_at IS NULL
    AND (requested_at IS NULL OR requested_at < %(received_at)s) AND request_pem IS DISTINCT FROM %(request_pem)s

-- name: prove
-- IoT Core took a message over a connection with this certificate, which is not the former one.
UPDATE fleet.rotations SET proven_certificate_id = %(certificate_id)s, proven_at = %(received_at)s
WHERE thing_name = %(thing_name)s AND finished_at IS NULL AND proven_at IS NULL

-- name: begin
-- From here on the device is asked for a request. A rotation that has not ended goes on, and one that ended within the
-- hour is the one that is meant.
INSERT INTO fleet.rotations AS rotation (thing_name, former_certificate_id)
SELECT thing_name, certificate_id FROM fleet.devices WHERE thing_name = %(thing_name)s AND certificate_id IS NOT NULL
ON CONFLICT (thing_name) DO UPDATE SET
    rotation_id = gen_random_uuid(), former_certificate_id = excluded.former_certificate_id, asked_at = now(),
    request_pem = NULL, requested_at = NULL, creating_since = NULL, issued = 0, proven_certificate_id = NULL,
    proven_at = NULL, finished_at = NULL, failure = NULL
WHERE rotation.finished_at < now() - interval '1 hour'

-- name: rotation
-- How far one device is.
SELECT rotation_id::text, former_certificate_id, request_pem, creating_since, issued, proven_certificate_id, finished_at
FROM fleet.rotations WHERE thing_name = %(thing_name)s

-- name: certificate_for
-- A device's certificate for a key.
SELECT certificate_id FROM fleet.certificates
WHERE thing_name = %(thing_name)s AND public_key_sha256 = %(public_key_sha256)s AND ended_at IS NULL

-- name: creating
-- Before the call: from here on a certificate may exist that is not written down.
UPDATE fleet.rotations SET creating_since = coalesce(creating_since, now()) WHERE thing_name = %(thing_name)s

-- name: issued
-- After the call: which certificate it is. Messages over it are taken from here on.
WITH kept AS (
    INSERT INTO fleet.certificates (certificate_id, thing_name, public_key_sha256, expires_at)
    VALUES (%(certificate_id)s, %(thing_name)s, %(public_key_sha256)s, %(expires_at)s)
    ON CONFLICT (certificate_id) DO NOTHING
)
UPDATE fleet.rotations SET creating_since = NULL, issued = issued + 1, failure = NULL WHERE thing_name = %(thing_name)s

-- name: adopt
-- The device has proven its new certificate: it is the device's from here on, and every other one has ended.
WITH mine AS (
    UPDATE fleet.devices AS device SET certificate_id = new.certificate_id, certificate_arn = %(certificate_arn)s,
        public_key_sha256 = new.public_key_sha256, updated_at = now()
    FROM fleet.certificates AS new
    WHERE device.thing_name = %(thing_name)s AND new.certificate_id = %(certificate_id)s
    RETURNING device.thing_name
)
UPDATE fleet.certificates SET ended_at = now(), ended_by = 'rotated'
FROM mine WHERE certificates.thing_name = mine.thing_name AND certificate_id <> %(certificate_id)s AND ended_at IS NULL

-- name: replaced
-- What ended with this rotation, and may still be at AWS.
SELECT certificate_id FROM fleet.certificates AS former JOIN fleet.rotations AS rotation USING (thing_name)
WHERE thing_name = %(thing_name)s AND ended_by = 'rotated' AND ended_at >= asked_at ORDER BY certificate_id

-- name: finished
-- One certificate is left.
UPDATE fleet.rotations SET finished_at = now(), failure = NULL, request_pem = NULL, requested_at = NULL
WHERE thing_name = %(thing_name)s

-- name: failed
-- Why the attempt stopped; what was reached stays.
UPDATE fleet.rotations SET failure = %(failure)s WHERE thing_name = %(thing_name)s AND finished_at IS NULL

-- name: expiring
-- Devices in service whose certificate ends before a time, who ends first; with an unfinished rotation in any case.
SELECT device.thing_name FROM fleet.devices AS device
JOIN fleet.certificates AS held USING (certificate_id)
LEFT JOIN fleet.rotations AS rotation ON rotation.thing_name = device.thing_name
WHERE device.step = 'done' AND held.ended_at IS NULL
    AND (held.expires_at <= %(before)s OR rotation.finished_at IS NULL AND rotation.thing_name IS NOT NULL)
ORDER BY held.expires_at NULLS LAST, device.thing_name LIMIT %(limit)s

-- name: without_expiry
-- Certificates whose own end was never looked up.
SELECT certificate_id FROM fleet.certificates WHERE expires_at IS NULL AND ended_at IS NULL
ORDER BY certificate_id LIMIT %(limit)s

-- name: note_expiry
-- A certificate's own end.
UPDATE fleet.certificates SET expires_at = %(expires_at)s WHERE certificate_id = %(certificate_id)s

-- name: calendar
-- How many certificates of devices in service end in each month (UTC), and the first ones by name.
SELECT to_char(held.expires_at AT TIME ZONE 'UTC', 'YYYY-MM') AS month, count(*) AS certificates,
    min(held.expires_at) AS first_at, (array_agg(device.thing_name ORDER BY held.expires_at, device.thing_name))[1:5] AS devices
FROM fleet.devices AS device JOIN fleet.certificates AS held USING (certificate_id)
WHERE held.ended_at IS NULL AND held.expires_at IS NOT NULL
GROUP BY 1 ORDER BY 1 LIMIT %(limit)s
