-- name: add
-- A credential by its hash; the credential itself is nowhere in the database.
INSERT INTO fleet.app_credentials (name, secret_sha256) VALUES (%(name)s, %(secret_sha256)s)
ON CONFLICT (secret_sha256) DO NOTHING

-- name: list
-- Every credential that was made, newest first.
SELECT credential_id, name, created_at, revoked_at FROM fleet.app_credentials ORDER BY created_at DESC, credential_id

-- name: revoke
-- It opens nothing any more; asked again, the first time stands.
UPDATE fleet.app_credentials SET revoked_at = coalesce(revoked_at, now()) WHERE credential_id = %(credential_id)s
