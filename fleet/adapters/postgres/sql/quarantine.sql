-- name: put
-- Keep a message that could not be stored; one that is redelivered is kept once.
INSERT INTO fleet.quarantine (message_id, reason, detail, thing_name, body, sent_at)
VALUES (%(message_id)s, %(reason)s, %(detail)s, %(thing_name)s, %(body)s, %(sent_at)s)
ON CONFLICT (message_id) DO NOTHING

-- name: waiting
-- The oldest messages above an id that are meant and were not replayed yet, held against a second replay.
SELECT quarantine_id, message_id, reason, thing_name, body, sent_at, quarantined_at FROM fleet.quarantine
WHERE replayed_at IS NULL AND quarantine_id > %(after)s
    AND %(thing_name)s IN ('', thing_name) AND %(reason)s IN ('', reason)
    AND (%(since)s::timestamptz IS NULL OR coalesce(sent_at, quarantined_at) >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR coalesce(sent_at, quarantined_at) < %(until)s)
ORDER BY quarantine_id LIMIT %(limit)s FOR UPDATE SKIP LOCKED

-- name: mark_replayed
-- These are stored as telemetry now; the bodies stay as evidence.
UPDATE fleet.quarantine SET replayed_at = now() WHERE quarantine_id = ANY(%(quarantine_ids)s)

-- name: count_by_reason
-- What waits in the quarantine, by reason.
SELECT reason, count(*) AS messages, min(quarantined_at) AS since FROM fleet.quarantine
WHERE replayed_at IS NULL GROUP BY reason ORDER BY messages DESC
