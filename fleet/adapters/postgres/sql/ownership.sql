-- name: standing
-- Whether a battery in service is somebody's.
SELECT EXISTS (
    SELECT FROM fleet.registrations AS owned WHERE owned.thing_name = device.thing_name
) AS is_somebodys
FROM fleet.devices AS device WHERE thing_name = %(thing_name)s AND step NOT IN ('retiring', 'retired')

-- name: account
-- The account of a mail address.
SELECT fleet.account_named(%(email)s)::text AS owner_id

-- name: hand_on
-- Another owner, or none; in nobody's name: a flow is no account.
SELECT fleet.hand_on(%(thing_name)s, %(new_owner_id)s::uuid, NULL)
