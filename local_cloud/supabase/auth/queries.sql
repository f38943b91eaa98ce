-- name: lock_address
-- Hold back other requests for the same address until this transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended('mail:' || %(email)s, 0));

-- name: forget_old_mail_requests
DELETE FROM auth.mail_requests WHERE requested_at < now() - interval '1 hour';

-- name: recent_mail_requests
-- Mails to one address and to all in the last hour, and seconds since the last one to this address.
SELECT count(*) FILTER (WHERE address = %(email)s) AS to_address,
       count(*) AS to_all,
       extract(epoch FROM now() - max(requested_at) FILTER (WHERE address = %(email)s))::float8 AS since_s
FROM auth.mail_requests
WHERE requested_at > now() - interval '1 hour';

-- name: record_mail_request
INSERT INTO auth.mail_requests (address) VALUES (%(email)s);

-- name: user_by_email
SELECT * FROM auth.users WHERE email = %(email)s;

-- name: user_by_id
SELECT * FROM auth.users WHERE id = %(user_id)s;

-- name: list_users
SELECT * FROM auth.users ORDER BY created_at DESC, id LIMIT %(limit)s OFFSET %(offset)s;

-- name: count_users
SELECT count(*) AS total FROM auth.users;

-- name: create_user
INSERT INTO auth.users (email, role, raw_app_meta_data, raw_user_meta_data, email_confirmed_at)
VALUES (
    %(email)s,
    %(role)s,
    '{"provider": "email", "providers": ["email"]}'::jsonb || %(app_metadata)s::jsonb,
    %(user_metadata)s::jsonb,
    CASE WHEN %(confirmed)s THEN now() END
)
ON CONFLICT (email) DO NOTHING
RETURNING *;

-- name: update_user
-- Metadata is merged key by key, and a key set to null goes away, as GoTrue does it.
UPDATE auth.users
SET raw_app_meta_data = jsonb_strip_nulls(raw_app_meta_data || %(app_metadata)s::jsonb),
    raw_user_meta_data = jsonb_strip_nulls(raw_user_meta_data || %(user_metadata)s::jsonb),
    role = coalesce(%(role)s, role),
    email_confirmed_at = CASE WHEN %(confirmed)s THEN coalesce(email_confirmed_at, now()) ELSE email_confirmed_at END,
    updated_at = now()
WHERE id = %(user_id)s
RETURNING *;

-- name: delete_user
DELETE FROM auth.users WHERE id = %(user_id)s RETURNING *;

-- name: replace_code
-- One code a user: a new one ends the one before.
INSERT INTO auth.one_time_tokens (user_id, token_type, relates_to, token_hash, code_hash)
VALUES (%(user_id)s, %(token_type)s, %(email)s, %(token_hash)s, %(code_hash)s)
ON CONFLICT (user_id) DO UPDATE
SET token_type = excluded.token_type,
    relates_to = excluded.relates_to,
    token_hash = excluded.token_hash,
    code_hash = excluded.code_hash,
    wrong_tries = 0,
    created_at = now();

-- name: live_code_for_email
SELECT id, user_id, token_type, code_hash
FROM auth.one_time_tokens
WHERE relates_to = %(email)s
  AND wrong_tries < %(tries)s
  AND created_at > now() - make_interval(secs => %(expiry_s)s)
FOR UPDATE;

-- name: live_code_for_link
SELECT id, user_id, token_type
FROM auth.one_time_tokens
WHERE token_hash = %(token_hash)s
  AND wrong_tries < %(tries)s
  AND created_at > now() - make_interval(secs => %(expiry_s)s)
FOR UPDATE;

-- name: count_wrong_try
UPDATE auth.one_time_tokens SET wrong_tries = wrong_tries + 1 WHERE id = %(id)s;

-- name: spend_code
DELETE FROM auth.one_time_tokens WHERE id = %(id)s;

-- name: sign_in
UPDATE auth.users
SET email_confirmed_at = coalesce(email_confirmed_at, now()), last_sign_in_at = now(), updated_at = now()
WHERE id = %(user_id)s
RETURNING *;

-- name: open_session
INSERT INTO auth.sessions (user_id) VALUES (%(user_id)s) RETURNING id, created_at;

-- name: session_of_user
SELECT id FROM auth.sessions WHERE id = %(session_id)s AND user_id = %(user_id)s;

-- name: add_refresh_token
INSERT INTO auth.refresh_tokens (token, parent, session_id) VALUES (%(token)s, %(parent)s, %(session_id)s);

-- name: refresh_token
-- Both rows are locked: of two tabs that refresh at once, the second waits and then sees the first one's work.
SELECT t.token, t.revoked, t.session_id, s.user_id, s.created_at,
       extract(epoch FROM now() - t.updated_at)::float8 AS since_s
FROM auth.refresh_tokens AS t
JOIN auth.sessions AS s ON s.id = t.session_id
WHERE t.token = %(token)s
FOR UPDATE;

-- name: revoke_refresh_token
UPDATE auth.refresh_tokens SET revoked = true, updated_at = now() WHERE token = %(token)s AND NOT revoked;

-- name: touch_session
UPDATE auth.sessions SET refreshed_at = now(), updated_at = now() WHERE id = %(session_id)s;

-- name: end_session
DELETE FROM auth.sessions WHERE id = %(session_id)s AND user_id = %(user_id)s;

-- name: end_all_sessions
DELETE FROM auth.sessions WHERE user_id = %(user_id)s;

-- name: end_other_sessions
DELETE FROM auth.sessions WHERE user_id = %(user_id)s AND id <> %(session_id)s;
