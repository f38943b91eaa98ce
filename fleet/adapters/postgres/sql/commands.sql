-- name: lock_cursor
-- The device's order, held until the transaction ends; made when the device gets its first command. None for a device
-- that is not there, or taken out of service and not asked for with `also_retired`.
INSERT INTO fleet.command_cursors AS cursor (thing_name)
SELECT thing_name FROM fleet.devices
WHERE thing_name = %(thing_name)s AND (%(also_retired)s OR step NOT IN ('retiring', 'retired'))
ON CONFLICT (thing_name) DO UPDATE SET thing_name = cursor.thing_name
RETURNING last_sequence

-- name: lock_cursors
-- The orders of these devices, as far as nobody else holds them: who waits for none cannot be part of a circle.
SELECT thing_name, last_sequence, acknowledged_sequence, heard_at FROM fleet.command_cursors
WHERE thing_name = ANY(%(thing_names)s) ORDER BY thing_name FOR UPDATE SKIP LOCKED

-- name: commands
-- Commands by id, held until the transaction ends.
SELECT command_id, thing_name, flip_status, starts_at, ends_at, mode, power_mode, setpoint_w, backup_reserve_pct,
    maximum_charge_pct, grid_import_allowed, is_preparatory, flip_updated_at, received_at, revised_at, revision, state,
    reason, delivered_at, acknowledged_at, started_at, finished_at, report, report_revision, next_report_at
FROM fleet.commands WHERE command_id = ANY(%(command_ids)s) ORDER BY command_id FOR UPDATE

-- name: open_commands
-- What a device is still to do.
SELECT command_id FROM fleet.commands WHERE thing_name = %(thing_name)s
    AND state IN ('received', 'pending', 'delivered', 'acknowledged', 'running')

-- name: open_before
-- What a device is still to do of what was heard of before a time.
SELECT command_id FROM fleet.commands WHERE thing_name = %(thing_name)s AND received_at <= %(before)s
    AND state IN ('received', 'pending', 'delivered', 'acknowledged', 'running')

-- name: take_departures
-- Batteries that left a home, and gone with the transaction that ends its commands. Who holds a row ends them.
DELETE FROM fleet.left_homes WHERE thing_name IN (
    SELECT thing_name FROM fleet.left_homes ORDER BY thing_name LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
RETURNING thing_name, left_at

-- name: withdraw_all
-- Nothing more is said to this device.
UPDATE fleet.command_messages SET next_send_at = NULL WHERE thing_name = %(thing_name)s AND next_send_at IS NOT NULL

-- name: save
-- A command as it is now. What Flip was told stays as it is: whoever tells it writes that down.
INSERT INTO fleet.commands AS command (
    command_id, thing_name, flip_status, starts_at, ends_at, mode, power_mode, setpoint_w, backup_reserve_pct,
    maximum_charge_pct, grid_import_allowed, is_preparatory, flip_updated_at, received_at, revised_at, revision, state,
    reason, delivered_at, acknowledged_at, started_at, finished_at, report, report_revision, next_report_at
) VALUES (
    %(command_id)s, %(thing_name)s, %(flip_status)s, %(starts_at)s, %(ends_at)s, %(mode)s, %(power_mode)s,
    %(setpoint_w)s, %(backup_reserve_pct)s, %(maximum_charge_pct)s, %(grid_import_allowed)s, %(is_preparatory)s,
    %(flip_updated_at)s, %(received_at)s, %(revised_at)s, %(revision)s, %(state)s, %(reason)s, %(delivered_at)s,
    %(acknowledged_at)s, %(started_at)s, %(finished_at)s, %(report)s, %(report_revision)s, %(next_report_at)s
)
ON CONFLICT (command_id) DO UPDATE SET
    flip_status = excluded.flip_status, starts_at = excluded.starts_at, ends_at = excluded.ends_at,
    mode = excluded.mode, power_mode = excluded.power_mode, setpoint_w = excluded.setpoint_w,
    backup_reserve_pct = excluded.backup_reserve_pct, maximum_charge_pct = excluded.maximum_charge_pct,
    grid_import_allowed = excluded.grid_import_allowed, is_preparatory = excluded.is_preparatory,
    flip_updated_at = excluded.flip_updated_at, revised_at = excluded.revised_at, revision = excluded.revision,
    state = excluded.state, reason = excluded.reason, delivered_at = excluded.delivered_at,
    acknowledged_at = excluded.acknowledged_at, started_at = excluded.started_at, finished_at = excluded.finished_at,
    report = excluded.report, report_revision = excluded.report_revision,
    (next_report_at, report_attempts, report_failure) = (
        SELECT CASE WHEN is_new THEN excluded.next_report_at ELSE command.next_report_at END,
            CASE WHEN is_new THEN 0 ELSE command.report_attempts END,
            CASE WHEN is_new THEN '' ELSE command.report_failure END
        FROM (SELECT (command.report, command.report_revision)
            IS DISTINCT FROM (excluded.report, excluded.report_revision) AS is_new) AS told
    )

-- name: add_transition
-- A step of a command's life.
INSERT INTO fleet.command_transitions (command_id, revision, from_state, to_state, at, cause)
VALUES (%(command_id)s, %(revision)s, %(from_state)s, %(to_state)s, %(at)s, %(cause)s)

-- name: battery
-- Which model a device is, and until when it may act on the command: the latest end of what was sent of it. Messages
-- from before commands without an end got one have none. And whether it left a home and is at no other that Flip knows.
SELECT model, (
    SELECT max(coalesce(expires_at, '9999-12-30')) FROM fleet.command_messages
    WHERE command_id = %(command_id)s AND sends > 0 AND payload ->> 'action' = 'SET'
) AS may_act_until, EXISTS (
    SELECT FROM fleet.registration_events AS departure
    WHERE departure.thing_name = devices.thing_name AND departure.from_owner_id IS NOT NULL
) AND NOT EXISTS (
    SELECT FROM fleet.registrations AS owned
    WHERE owned.thing_name = devices.thing_name AND owned.commission_status = 'commissioned'
) AS has_left
FROM fleet.devices WHERE thing_name = %(thing_name)s

-- name: withdraw
-- No more of what was to be said of these commands.
UPDATE fleet.command_messages SET next_send_at = NULL
WHERE command_id = ANY(%(command_ids)s) AND next_send_at IS NOT NULL

-- name: say
-- The next in the device's order; its cursor is held.
WITH next AS (
    UPDATE fleet.command_cursors SET last_sequence = last_sequence + 1 WHERE thing_name = %(thing_name)s
    RETURNING last_sequence
)
INSERT INTO fleet.command_messages (
    thing_name, sequence, command_id, revision, payload, expires_at, created_at, next_send_at
)
SELECT %(thing_name)s, last_sequence, %(command_id)s, %(revision)s, %(payload)s, %(expires_at)s, %(at)s, %(at)s FROM next

-- name: ask_for_report
-- Flip waits for an answer that it has had.
UPDATE fleet.commands SET next_report_at = %(at)s
WHERE command_id = %(command_id)s AND report IS NOT NULL AND next_report_at IS NULL
    AND (reported, reported_revision) = (report, report_revision)

-- name: note_said
-- Flip said the same again, later.
UPDATE fleet.commands SET flip_updated_at = %(said_at)s WHERE command_id = %(command_id)s

-- name: due
-- Devices with something to be said now, who waits longest first.
SELECT thing_name FROM fleet.command_messages WHERE next_send_at <= %(now)s
GROUP BY thing_name ORDER BY min(next_send_at), thing_name LIMIT %(limit)s

-- name: said
-- All that is open for these devices, and all that was sent to them, is not open any more and has not ended.
SELECT thing_name, sequence, command_id, revision, payload ->> 'action' AS action, payload, expires_at, next_send_at,
    sends, last_sent_at, acknowledged_at
FROM fleet.command_messages
WHERE thing_name = ANY(%(thing_names)s) AND (
    next_send_at IS NOT NULL
    OR (sends > 0 AND payload ->> 'action' = 'SET' AND (expires_at IS NULL OR expires_at > %(now)s))
)
ORDER BY thing_name, sequence

-- name: answered_messages
-- What these devices speak of: what is open, what their results name, and what they have acknowledged and still act on.
WITH spoken_of AS (
    SELECT thing_name, sequence FROM fleet.command_messages
    WHERE thing_name = ANY(%(thing_names)s) AND next_send_at IS NOT NULL
    UNION
    SELECT * FROM unnest(%(named)s::text[], %(sequences)s::bigint[])
    UNION
    SELECT message.thing_name, message.sequence
    FROM fleet.commands AS command JOIN fleet.command_messages AS message USING (command_id)
    WHERE command.thing_name = ANY(%(thing_names)s) AND command.state IN ('acknowledged', 'running')
)
SELECT thing_name, sequence, command_id, revision, payload ->> 'action' AS action, expires_at, next_send_at, sends,
    last_sent_at, acknowledged_at
FROM spoken_of JOIN fleet.command_messages USING (thing_name, sequence)

-- name: clocks
-- What is known of the devices' clocks.
SELECT thing_name, sequence, clock_skew_s FROM fleet.telemetry_latest WHERE thing_name = ANY(%(thing_names)s)

-- name: mark_sent
-- Written down before it is sent.
UPDATE fleet.command_messages AS message
SET sends = sent.sends, last_sent_at = sent.last_sent_at, next_send_at = sent.next_send_at
FROM unnest(
    %(thing_names)s::text[], %(sequences)s::bigint[], %(sends)s::integer[], %(last)s::timestamptz[],
    %(next)s::timestamptz[]
) AS sent (thing_name, sequence, sends, last_sent_at, next_send_at)
WHERE (message.thing_name, message.sequence) = (sent.thing_name, sent.sequence)

-- name: drop
-- Of no use any more.
UPDATE fleet.command_messages AS message SET next_send_at = NULL
FROM unnest(%(thing_names)s::text[], %(sequences)s::bigint[]) AS useless (thing_name, sequence)
WHERE (message.thing_name, message.sequence) = (useless.thing_name, useless.sequence)

-- name: free_commands
-- Those of the commands that nobody holds: who takes in a change of one leaves its older revision's news aside.
SELECT command_id FROM fleet.commands WHERE command_id = ANY(%(command_ids)s) AND state = 'pending'
ORDER BY command_id FOR UPDATE SKIP LOCKED

-- name: cursors_of
-- How far devices are that were given commands, and whether they have one to confirm. Commas are between the names.
SELECT thing_name, acknowledged_sequence, EXISTS (
        SELECT FROM fleet.command_messages AS message
        WHERE message.thing_name = named.thing_name AND message.next_send_at IS NOT NULL
    ) AS is_waiting
FROM string_to_table(%(thing_names)s, ',') AS named (thing_name) CROSS JOIN LATERAL (
    SELECT acknowledged_sequence FROM fleet.command_cursors AS cursor WHERE cursor.thing_name = named.thing_name OFFSET 0
) AS of_one

-- name: leave_answers
-- What devices that were given commands say of them, if that is new.
INSERT INTO fleet.command_answers (thing_name, acknowledged_sequence, results, received_at)
SELECT heard.thing_name, heard.sequence, heard.results, heard.received_at
FROM unnest(
    %(thing_names)s::text[], %(sequences)s::bigint[], %(results)s::jsonb[], %(received)s::timestamptz[]
) AS heard (thing_name, sequence, results, received_at)
JOIN fleet.command_cursors AS cursor USING (thing_name)
WHERE heard.sequence > cursor.acknowledged_sequence OR heard.results <> '[]'
    OR (heard.sequence < cursor.acknowledged_sequence AND heard.received_at > cursor.heard_at)
    OR EXISTS (
        SELECT FROM fleet.command_messages AS message
        WHERE message.thing_name = heard.thing_name AND message.next_send_at IS NOT NULL
            AND message.last_sent_at + %(patience)s < heard.received_at
    )
ORDER BY heard.received_at

-- name: follow_acknowledgement
-- A message without samples still says how far its device is. Who holds the row has newer news of it.
UPDATE fleet.telemetry_latest AS latest SET last_command_sequence = heard.sequence
FROM unnest(%(thing_names)s::text[], %(sequences)s::bigint[], %(received)s::timestamptz[])
    AS heard (thing_name, sequence, received_at)
WHERE latest.thing_name = heard.thing_name AND latest.received_at <= heard.received_at
    AND latest.thing_name IN (
        SELECT thing_name FROM fleet.telemetry_latest WHERE thing_name = ANY(%(thing_names)s)
        ORDER BY thing_name FOR UPDATE SKIP LOCKED
    )

-- name: with_answers
-- Devices that said something that nobody has read yet.
SELECT DISTINCT thing_name FROM fleet.command_answers LIMIT %(limit)s

-- name: take_answers
-- Read, and gone with the transaction that counts them in.
DELETE FROM fleet.command_answers WHERE thing_name = ANY(%(thing_names)s)
RETURNING answer_id, thing_name, acknowledged_sequence, results, received_at

-- name: mark_heard
-- What a device has or has not.
UPDATE fleet.command_messages SET next_send_at = %(next_send_at)s, acknowledged_at = %(acknowledged_at)s
WHERE thing_name = %(thing_name)s AND sequence = %(sequence)s

-- name: move_cursor
-- How far a device is.
UPDATE fleet.command_cursors
SET acknowledged_sequence = %(acknowledged_sequence)s, heard_at = %(heard_at)s
WHERE thing_name = %(thing_name)s

-- name: make_cursors
-- For devices that speak of commands and were never given one.
INSERT INTO fleet.command_cursors (thing_name)
SELECT thing_name FROM fleet.devices WHERE thing_name = ANY(%(thing_names)s) ORDER BY thing_name
ON CONFLICT (thing_name) DO NOTHING

-- name: note_unexplained
-- A device claims what it was never told.
INSERT INTO fleet.unexplained_acknowledgements AS known (thing_name, claimed_sequence, told_sequence, first_at, last_at)
VALUES (%(thing_name)s, %(claimed)s, %(told)s, %(at)s, %(at)s)
ON CONFLICT (thing_name) DO UPDATE SET claimed_sequence = excluded.claimed_sequence,
    told_sequence = excluded.told_sequence, times = known.times + 1, last_at = excluded.last_at

-- name: unexplained_since
-- Devices that claimed what they were never told.
SELECT thing_name FROM fleet.unexplained_acknowledgements WHERE last_at >= %(since)s ORDER BY thing_name

-- name: skip_ahead
-- The device knows of higher numbers than were ever given here: they are used up.
UPDATE fleet.command_cursors SET last_sequence = %(sequence)s
WHERE thing_name = %(thing_name)s AND last_sequence < %(sequence)s

-- name: number_anew
-- What is open gets the numbers that follow.
WITH open AS (
    SELECT sequence, %(above)s + row_number() OVER (ORDER BY sequence) AS next FROM fleet.command_messages
    WHERE thing_name = %(thing_name)s AND next_send_at IS NOT NULL
), moved AS (
    UPDATE fleet.command_messages AS message SET sequence = open.next, next_send_at = %(now)s
    FROM open WHERE message.thing_name = %(thing_name)s AND message.sequence = open.sequence
    RETURNING message.sequence
)
UPDATE fleet.command_cursors SET last_sequence = greatest(last_sequence, (SELECT max(sequence) FROM moved))
WHERE thing_name = %(thing_name)s

-- name: overdue
-- Commands that the battery has not answered and whose time is over: their end came, Flip waits, or another began.
(SELECT command_id, thing_name FROM fleet.commands
WHERE state IN ('received', 'pending', 'delivered') AND ends_at <= %(now)s LIMIT %(limit)s)
UNION
(SELECT command_id, thing_name FROM fleet.commands
WHERE report_revision IS DISTINCT FROM revision AND revised_at <= %(offline_since)s LIMIT %(limit)s)
UNION
(SELECT command.command_id, command.thing_name FROM fleet.commands AS command
WHERE command.state IN ('pending', 'delivered') AND command.flip_status = 'OK' AND EXISTS (
    SELECT FROM fleet.commands AS other
    WHERE other.thing_name = command.thing_name AND other.starts_at BETWEEN command.starts_at AND %(now)s
        AND other.command_id <> command.command_id AND other.flip_status = 'OK'
        AND other.state NOT IN ('failed', 'canceled', 'expired')
) LIMIT %(limit)s)

-- name: windows
-- When the commands of these devices hold that count, with their place in the device's order.
SELECT command.thing_name, message.sequence, command.starts_at, command.ends_at, command.command_id
FROM fleet.commands AS command
JOIN fleet.command_messages AS message USING (command_id, revision)
WHERE command.thing_name = ANY(%(thing_names)s) AND command.flip_status = 'OK'
    AND command.state NOT IN ('failed', 'canceled', 'expired')
    AND (command.ends_at IS NULL OR command.ends_at > %(now)s - interval '1 day')

-- name: reports_due
-- What Flip is to be told now, longest due first. What waited while Flip changed the command is an answer to the change
-- no more: Flip would take it for one.
SELECT command_id FROM fleet.commands WHERE next_report_at <= %(now)s AND report_revision = revision
ORDER BY next_report_at LIMIT %(limit)s

-- name: claim_report
-- In this session's hands, as long as that tells Flip: so no older word comes after a newer one.
SELECT pg_try_advisory_lock(hashtextextended('fleet.commands/' || %(command_id)s, 0)) AS claimed

-- name: release_report
-- Another session may tell Flip of it now.
SELECT pg_advisory_unlock(hashtextextended('fleet.commands/' || %(command_id)s, 0))

-- name: report
-- What is to be told now, read once it is in this session's hands.
SELECT report, report_revision, report_attempts, reason FROM fleet.commands
WHERE command_id = %(command_id)s AND next_report_at <= %(now)s AND report_revision = revision

-- name: reported
-- Flip took it; what became due since stays due.
UPDATE fleet.commands SET reported = %(report)s, reported_revision = %(revision)s, reported_at = %(now)s,
    report_attempts = 0, report_failure = '',
    next_report_at = CASE WHEN (report, report_revision) = (%(report)s, %(revision)s) THEN NULL ELSE next_report_at END
WHERE command_id = %(command_id)s

-- name: report_later
-- Flip did not take it: again after a while, or, without `next`, never; what became due since stays due.
UPDATE fleet.commands SET report_attempts = report_attempts + 1, next_report_at = %(next)s, report_failure = %(failure)s
WHERE command_id = %(command_id)s AND (report, report_revision) = (%(report)s, %(revision)s)

-- name: claim_looks
-- Batteries that somebody looks at and that were not told so yet. Who holds a row tells it.
UPDATE fleet.looks SET told_until = until
WHERE thing_name IN (
    SELECT thing_name FROM fleet.looks WHERE until > %(now)s AND told_until IS DISTINCT FROM until
    ORDER BY thing_name LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
RETURNING thing_name, until
