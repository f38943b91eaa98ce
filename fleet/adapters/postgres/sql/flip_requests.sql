-- name: due
-- What waits to be worked off, oldest first; a row that is running and in nobody's hands was left by a dead run.
-- A battery is commissioned at its new home once Flip was asked to let it go from the former one.
SELECT request_id::text, kind, coalesce(thing_name, site_id::text, request_id::text) AS subject
FROM fleet.flip_requests AS request
WHERE (status = 'running' OR (status = 'pending' AND next_attempt_at <= now())) AND NOT (
    kind = 'commission' AND EXISTS (
        SELECT FROM fleet.flip_requests AS leaving
        WHERE leaving.thing_name = request.thing_name AND leaving.kind = 'remove_device'
            AND leaving.status IN ('pending', 'running')
    )
)
ORDER BY created_at LIMIT %(limit)s

-- name: claim
-- In this session's hands until it ends, however it ends.
SELECT pg_try_advisory_lock(hashtextextended('fleet.flip_requests/' || %(request_id)s, 0)) AS claimed

-- name: release
-- Another session may work on it now.
SELECT pg_advisory_unlock(hashtextextended('fleet.flip_requests/' || %(request_id)s, 0))

-- name: start
-- An attempt begins.
UPDATE fleet.flip_requests SET status = 'running', attempts = attempts + 1, updated_at = now()
WHERE request_id = %(request_id)s AND status IN ('pending', 'running')
RETURNING request_id::text, kind, owner_id::text, site_id::text, thing_name, payload, attempts

-- name: succeed
-- Flip did it.
UPDATE fleet.flip_requests SET status = 'succeeded', message = %(message)s, answer = %(answer)s,
    problem_fields = NULL, updated_at = now(), finished_at = now()
WHERE request_id = %(request_id)s AND status = 'running'

-- name: fail
-- It cannot be done as it was asked for.
UPDATE fleet.flip_requests SET status = 'failed', message = %(message)s, problem_fields = %(problem_fields)s,
    updated_at = now(), finished_at = now()
WHERE request_id = %(request_id)s AND status = 'running'

-- name: postpone
-- Flip did not answer: again after a while.
UPDATE fleet.flip_requests SET status = 'pending', message = %(message)s, next_attempt_at = now() + %(wait)s,
    updated_at = now()
WHERE request_id = %(request_id)s AND status = 'running'

-- name: waiting
-- What waits for Flip, for operators.
SELECT kind, coalesce(thing_name, site_id::text) AS subject, attempts, created_at, next_attempt_at
FROM fleet.flip_requests WHERE status IN ('pending', 'running') ORDER BY created_at LIMIT %(limit)s

-- name: leaving
-- What is still to be asked so that Flip lets a battery go.
SELECT request_id::text FROM fleet.flip_requests
WHERE thing_name = %(thing_name)s AND kind = 'remove_device' AND status IN ('pending', 'running') ORDER BY created_at

-- name: ask_to_remove
-- Have Flip let go of these batteries at these homes, as far as it is on record that they left; not twice at once.
SELECT fleet.ask_to_remove(wanted.thing_name, site.site_id, site.owner_id)
FROM unnest(%(thing_names)s::text[], %(site_ids)s::uuid[]) AS wanted (thing_name, site_id)
JOIN fleet.sites AS site USING (site_id)
WHERE EXISTS (
    SELECT FROM fleet.registration_events AS left_it
    WHERE left_it.thing_name = wanted.thing_name AND left_it.from_owner_id = site.owner_id
) AND NOT EXISTS (
    SELECT FROM fleet.flip_requests AS open
    WHERE open.thing_name = wanted.thing_name AND open.kind = 'remove_device' AND open.site_id = wanted.site_id
        AND open.status IN ('pending', 'running')
)

-- name: ask_again
-- Ask for these batteries to be commissioned, in their owners' names, unless that is under way.
WITH lost AS (
    UPDATE fleet.registrations SET commission_status = 'pending', commission_message = NULL
    WHERE thing_name = ANY(%(thing_names)s) AND site_id IS NOT NULL
    RETURNING thing_name, owner_id, site_id
)
INSERT INTO fleet.flip_requests AS request (kind, owner_id, site_id, thing_name, key)
SELECT 'commission', owner_id, site_id, thing_name, 'repair/' || thing_name FROM lost
WHERE NOT EXISTS (
    SELECT FROM fleet.flip_requests AS open
    WHERE open.kind = 'commission' AND open.thing_name = lost.thing_name AND open.owner_id = lost.owner_id
        AND open.status IN ('pending', 'running')
)
ON CONFLICT (owner_id, key) DO UPDATE SET status = 'pending', site_id = excluded.site_id, answer = NULL, message = NULL,
    problem_fields = NULL, attempts = 0, finished_at = NULL, next_attempt_at = now(), updated_at = now()
