-- name: site
-- A home of this account.
SELECT site_id::text AS id, first_name, last_name, email, street_address, street_address2, city, state_code, zip_code,
    service_account_id
FROM fleet.sites WHERE site_id = %(site_id)s::uuid AND owner_id = %(owner_id)s::uuid

-- name: battery
-- A battery of this account.
SELECT thing_name, site_id::text, model, registered_at, registrations.device AS said
FROM fleet.registrations JOIN fleet.devices USING (thing_name)
WHERE thing_name = %(thing_name)s AND owner_id = %(owner_id)s::uuid

-- name: commissioned_at
-- The batteries of a home that Flip knows.
SELECT thing_name FROM fleet.registrations
WHERE site_id = %(site_id)s::uuid AND commission_status = 'commissioned' ORDER BY thing_name

-- name: commissioned
-- Flip knows the battery.
UPDATE fleet.registrations SET commission_status = 'commissioned', commission_message = NULL,
    commissioned_at = coalesce(commissioned_at, now())
WHERE thing_name = %(thing_name)s AND site_id = %(site_id)s::uuid

-- name: commission_standing
-- Where commissioning stands, in a sentence for the owner.
UPDATE fleet.registrations SET commission_status = %(status)s::fleet.commission_status, commission_message = %(message)s
WHERE thing_name = %(thing_name)s AND owner_id = %(owner_id)s::uuid AND commission_status <> 'commissioned'

-- name: put_programs
-- What a home may join, as Flip says now.
INSERT INTO fleet.site_programs AS kept (site_id, programs) VALUES (%(site_id)s::uuid, %(programs)s)
ON CONFLICT (site_id) DO UPDATE SET programs = excluded.programs, fetched_at = now()

-- name: put_enrollment
-- An enrollment as Flip says; an older word does not overwrite a newer one.
INSERT INTO fleet.enrollments AS kept
    (enrollment_id, site_id, program_id, program_name, thing_names, status, status_reason, created_at, updated_at)
SELECT %(enrollment_id)s, %(site_id)s::uuid, %(program_id)s, (
        SELECT program ->> 'name' FROM fleet.site_programs, jsonb_array_elements(programs) AS program
        WHERE site_id = %(site_id)s::uuid AND program ->> 'id' = %(program_id)s LIMIT 1
    ), %(thing_names)s, %(status)s, %(status_reason)s, coalesce(%(created_at)s, now()), coalesce(%(updated_at)s, now())
ON CONFLICT (enrollment_id) DO UPDATE SET
    program_name = coalesce(excluded.program_name, kept.program_name), thing_names = excluded.thing_names,
    status = excluded.status, status_reason = excluded.status_reason, updated_at = excluded.updated_at
WHERE kept.site_id = excluded.site_id AND kept.updated_at <= excluded.updated_at
    AND (kept.status, kept.status_reason, kept.thing_names, kept.program_name) IS DISTINCT FROM
        (excluded.status, excluded.status_reason, excluded.thing_names, coalesce(excluded.program_name, kept.program_name))

-- name: registrations
-- The batteries registered at these homes.
SELECT thing_name, site_id::text, commission_status::text AS commission_status FROM fleet.registrations
WHERE site_id = ANY(%(site_ids)s::uuid[]) ORDER BY site_id, thing_name

-- name: sites_after
-- The homes above an id, a page at a time.
SELECT site_id::text FROM fleet.sites WHERE site_id > %(after)s::uuid ORDER BY site_id LIMIT %(limit)s
