-- name: keep
-- A webhook that Flip signed, once; no row when it is here already.
INSERT INTO fleet.flip_webhooks (webhook_id, event_type, sent_at, queued_at, body, outcome, detail)
VALUES (%(webhook_id)s, %(event_type)s, %(sent_at)s, %(queued_at)s, %(body)s::jsonb, %(outcome)s, %(detail)s)
ON CONFLICT (webhook_id) DO NOTHING

-- name: conclude
-- What became of it.
UPDATE fleet.flip_webhooks SET outcome = %(outcome)s, detail = %(detail)s WHERE webhook_id = %(webhook_id)s

-- name: refuse
-- One that is not believed, without its signature; of a flood only the first of a day are kept.
INSERT INTO fleet.refused_webhooks (message_id, reason, detail, webhook_id, body, queued_at)
SELECT %(message_id)s, %(reason)s, %(detail)s, nullif(%(webhook_id)s, ''), %(body)s, %(queued_at)s
WHERE %(most_per_day)s > (
    SELECT count(*) FROM (
        SELECT FROM fleet.refused_webhooks WHERE refused_at > now() - interval '1 day' LIMIT %(most_per_day)s
    ) AS of_today
)
ON CONFLICT (message_id) DO NOTHING

-- name: site_of
-- The home that something of Flip's is about: the one it names, or else that of its batteries.
SELECT site_id::text FROM fleet.sites WHERE site_id = %(site_id)s::uuid
UNION ALL
SELECT site_id::text FROM fleet.registrations
WHERE NOT %(is_named)s AND thing_name = ANY(%(thing_names)s) AND site_id IS NOT NULL
LIMIT 1

-- name: put_event
-- An event as Flip says; an older word does not replace a newer one, and of two of one instant the one that ends it stays.
INSERT INTO fleet.flip_events AS kept (event_id, site_id, starts_at, ends_at, status, is_participating, schedule,
    device_settings, heard_at, flip_updated_at)
VALUES (%(event_id)s, %(site_id)s::uuid, %(starts_at)s, %(ends_at)s, %(status)s, %(is_participating)s, %(schedule)s,
    %(device_settings)s, %(heard_at)s, %(said_at)s)
ON CONFLICT (event_id) DO UPDATE SET starts_at = excluded.starts_at, ends_at = excluded.ends_at,
    status = excluded.status, is_participating = excluded.is_participating, schedule = excluded.schedule,
    device_settings = excluded.device_settings, heard_at = excluded.heard_at,
    flip_updated_at = excluded.flip_updated_at
WHERE kept.site_id = excluded.site_id AND (
    kept.flip_updated_at < excluded.flip_updated_at
    OR (kept.flip_updated_at = excluded.flip_updated_at AND kept.status NOT IN ('CANCELED', 'COMPLETED'))
)

-- name: recent
-- What came last, newest first.
SELECT queued_at, left(event_type, 40) AS event_type, outcome,
    coalesce(left(body -> 'event_object' ->> 'id', 40), '') AS subject, webhook_id, detail
FROM fleet.flip_webhooks ORDER BY processed_at DESC, webhook_id LIMIT %(limit)s

-- name: of_type
-- What came last of one type, newest first, with what it is about.
SELECT queued_at, webhook_id, body -> 'event_object' AS event_object FROM fleet.flip_webhooks
WHERE event_type = %(event_type)s ORDER BY queued_at DESC, webhook_id LIMIT %(limit)s

-- name: heard
-- When a webhook came last, or else since when one may; null where no battery is commissioned.
SELECT coalesce((SELECT max(queued_at) FROM fleet.flip_webhooks), min(commissioned_at)) AS heard_at
FROM fleet.registrations WHERE commission_status = 'commissioned' HAVING count(*) > 0

-- name: refused
-- What was refused last, newest first, with the beginning of its body.
SELECT queued_at, reason, detail, coalesce(webhook_id, '') AS webhook_id, length(body) AS bytes,
    encode(substring(body FOR %(shown)s), 'escape') AS begins_with
FROM fleet.refused_webhooks ORDER BY refused_at DESC, message_id LIMIT %(limit)s

-- name: prune
-- Forget what is older: Flip delivers nothing again after so long.
WITH taken AS (DELETE FROM fleet.flip_webhooks WHERE processed_at < %(before)s RETURNING 1),
refused AS (DELETE FROM fleet.refused_webhooks WHERE refused_at < %(before)s RETURNING 1)
SELECT (SELECT count(*) FROM taken) + (SELECT count(*) FROM refused) AS forgotten
