-- name: said
-- What Flip's answer says of an event of this home; one that is not known here yet counts as older than any webhook.
INSERT INTO fleet.flip_events AS kept (event_id, site_id, starts_at, ends_at, status, is_participating, schedule,
    device_settings, heard_at, flip_updated_at)
VALUES (%(event_id)s, %(site_id)s::uuid, %(starts_at)s, %(ends_at)s, %(status)s, %(is_participating)s, %(schedule)s,
    %(device_settings)s, now(), 'epoch')
ON CONFLICT (event_id) DO UPDATE SET starts_at = excluded.starts_at, ends_at = excluded.ends_at,
    status = excluded.status, is_participating = excluded.is_participating, schedule = excluded.schedule,
    device_settings = excluded.device_settings, heard_at = excluded.heard_at
WHERE kept.site_id = excluded.site_id
