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

-- name: has_accounts
-- Whether this database has accounts at all: a plain PostgreSQL has none.
SELECT to_regclass('auth.users') IS NOT NULL AS has_accounts

-- name: homes_without_account
-- Homes with batteries whose account is gone.
SELECT site.site_id::text AS site_id, string_agg(owned.thing_name, ', ' ORDER BY owned.thing_name) AS thing_names
FROM fleet.sites AS site JOIN fleet.registrations AS owned USING (site_id)
WHERE NOT EXISTS (SELECT FROM auth.users AS account WHERE account.id = site.owner_id)
GROUP BY site.site_id ORDER BY site.site_id
