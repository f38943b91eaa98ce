-- name: follow_commissioned
-- A row for each battery that Flip knows; one that was registered anew begins anew.
INSERT INTO fleet.forwarding AS forwarding (thing_name, since, forwarded_until)
SELECT thing_name, first_whole, first_whole
FROM fleet.registrations, date_bin('5 minutes', registered_at + interval '299.999999 seconds', 'epoch') AS first_whole
WHERE commission_status = 'commissioned'
ON CONFLICT (thing_name) DO UPDATE SET since = excluded.since, updated_at = now(),
    forwarded_until = greatest(forwarding.forwarded_until, excluded.since)
WHERE forwarding.since < excluded.since

-- name: forget_released
-- A battery that is nobody's is no longer sent.
DELETE FROM fleet.forwarding WHERE thing_name NOT IN (SELECT thing_name FROM fleet.registrations)

-- name: forget_marks
-- Late samples of batteries that are not sent, or from before they were.
DELETE FROM fleet.forwarding_late AS late
WHERE NOT EXISTS (
    SELECT FROM fleet.forwarding
    WHERE forwarding.thing_name = late.thing_name AND forwarding.since <= late.start_time
)

-- name: forget_failures
-- Failures from before the present owner.
DELETE FROM fleet.forwarding_failures AS failure USING fleet.forwarding
WHERE forwarding.thing_name = failure.thing_name AND failure.start_time < forwarding.since

-- name: behind
-- The batteries with closed intervals to send, the longest waiting first. A retired one has no more of them.
SELECT forwarding.thing_name, forwarding.forwarded_until
FROM fleet.forwarding JOIN fleet.registrations USING (thing_name) JOIN fleet.devices USING (thing_name)
WHERE forwarding.forwarded_until < %(until)s AND registrations.commission_status = 'commissioned'
    AND devices.step NOT IN ('retiring', 'retired')
ORDER BY forwarding.forwarded_until, forwarding.thing_name LIMIT %(limit)s

-- name: again
-- Intervals to send once more: a sample came late, or Flip did not take them.
(
    SELECT late.thing_name, late.start_time FROM fleet.forwarding_late AS late
    JOIN fleet.forwarding USING (thing_name) JOIN fleet.registrations USING (thing_name)
    WHERE late.start_time >= forwarding.since AND late.start_time < forwarding.forwarded_until
        AND registrations.commission_status = 'commissioned'
    ORDER BY late.start_time LIMIT %(limit)s
)
UNION
(
    SELECT failure.thing_name, failure.start_time FROM fleet.forwarding_failures AS failure
    JOIN fleet.registrations USING (thing_name)
    WHERE failure.next_attempt_at <= %(now)s AND registrations.commission_status = 'commissioned'
    ORDER BY failure.start_time LIMIT %(limit)s
)
LIMIT %(limit)s

-- name: marks
-- The late marks of these batteries, read before their samples are.
SELECT thing_name, start_time, marked_at FROM fleet.forwarding_late WHERE thing_name = ANY(%(thing_names)s)

-- name: models
-- Which model each battery is.
SELECT thing_name, model FROM fleet.devices WHERE thing_name = ANY(%(thing_names)s)

-- name: advance
-- These batteries are sent up to here.
UPDATE fleet.forwarding SET forwarded_until = greatest(forwarded_until, sent.until), updated_at = now()
FROM (
    SELECT thing_name, max(until) AS until
    FROM unnest(%(thing_names)s::text[], %(ends)s::timestamptz[]) AS sent (thing_name, until) GROUP BY thing_name
) AS sent
WHERE forwarding.thing_name = sent.thing_name

-- name: note_accepted
-- What Flip took has not failed.
DELETE FROM fleet.forwarding_failures AS failure
USING unnest(%(thing_names)s::text[], %(starts)s::timestamptz[]) AS sent (thing_name, start_time)
WHERE failure.thing_name = sent.thing_name AND failure.start_time = sent.start_time

-- name: note_failures
-- What Flip did not take is sent again: after 5 minutes, then doubling to 6 hours, 12 times (a day and a half) in all.
-- What it said nothing of is sent again in a minute and counts as no attempt.
INSERT INTO fleet.forwarding_failures AS failure (thing_name, start_time, reason, attempts, next_attempt_at, failed_at)
SELECT thing_name, start_time, left(reason, 500), is_rejected::integer,
    %(now)s + CASE WHEN is_rejected THEN interval '5 minutes' ELSE interval '1 minute' END, %(now)s
FROM unnest(%(thing_names)s::text[], %(starts)s::timestamptz[], %(reasons)s::text[], %(are_rejected)s::boolean[])
    AS sent (thing_name, start_time, reason, is_rejected)
ON CONFLICT (thing_name, start_time) DO UPDATE SET
    reason = excluded.reason, failed_at = excluded.failed_at, attempts = failure.attempts + excluded.attempts,
    next_attempt_at = CASE
        WHEN excluded.attempts = 0 THEN excluded.next_attempt_at
        WHEN failure.attempts < 11 THEN
            excluded.failed_at + least(interval '5 minutes' * 2 ^ failure.attempts, interval '6 hours')
    END

-- name: forget_marks_sent
-- Marks that were there before the samples were read, and whose intervals are sent now.
DELETE FROM fleet.forwarding_late AS late
USING unnest(%(thing_names)s::text[], %(starts)s::timestamptz[], %(marked_at)s::timestamptz[])
    AS sent (thing_name, start_time, marked_at)
WHERE late.thing_name = sent.thing_name AND late.start_time = sent.start_time AND late.marked_at = sent.marked_at

-- name: standing
-- How far the fleet is: batteries, intervals that failed, and those that were given up.
SELECT
    (SELECT count(*) FROM fleet.forwarding) AS batteries,
    (SELECT count(*) FROM fleet.forwarding WHERE forwarded_until < %(until)s) AS behind,
    (SELECT min(forwarded_until) FROM fleet.forwarding) AS forwarded_until,
    count(*) FILTER (WHERE next_attempt_at IS NOT NULL) AS failing,
    count(*) FILTER (WHERE next_attempt_at IS NULL) AS given_up
FROM fleet.forwarding_failures

-- name: failures
-- The batteries whose intervals Flip does not take, with the latest reason.
SELECT thing_name, count(*) AS intervals, min(start_time) AS earliest, max(attempts) AS attempts,
    (array_agg(reason ORDER BY failed_at DESC))[1] AS reason, count(*) FILTER (WHERE next_attempt_at IS NULL) AS given_up
FROM fleet.forwarding_failures GROUP BY thing_name ORDER BY intervals DESC, thing_name LIMIT %(limit)s

-- name: revive
-- Flip knows the battery (again): what it did not take before is sent once more.
UPDATE fleet.forwarding_failures SET attempts = 0, next_attempt_at = now() WHERE thing_name = %(thing_name)s
