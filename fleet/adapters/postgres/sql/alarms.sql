-- name: known
-- The alarms of a kind, by subject.
SELECT subject, detail, since, seen_at, told_at FROM fleet.alarms WHERE kind = %(kind)s ORDER BY since, subject

-- name: told_at
-- When people were last told of a kind.
SELECT told_at FROM fleet.alarm_notices WHERE kind = %(kind)s

-- name: keep
-- What stands now.
INSERT INTO fleet.alarms AS alarm (kind, subject, detail, since, seen_at, told_at)
SELECT %(kind)s, stands.* FROM unnest(
    %(subjects)s::text[], %(details)s::text[], %(since)s::timestamptz[], %(seen_at)s::timestamptz[],
    %(told_at)s::timestamptz[]
) AS stands
ON CONFLICT (kind, subject) DO UPDATE SET
    detail = excluded.detail, since = excluded.since, seen_at = excluded.seen_at, told_at = excluded.told_at
WHERE (alarm.detail, alarm.since, alarm.seen_at, alarm.told_at)
    IS DISTINCT FROM (excluded.detail, excluded.since, excluded.seen_at, excluded.told_at)

-- name: forget
-- What is over.
DELETE FROM fleet.alarms WHERE kind = %(kind)s AND subject = ANY(%(subjects)s)

-- name: told
-- People were told of a kind now.
INSERT INTO fleet.alarm_notices VALUES (%(kind)s, %(at)s) ON CONFLICT (kind) DO UPDATE SET told_at = excluded.told_at
