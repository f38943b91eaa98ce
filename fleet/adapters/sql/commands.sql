-- name: lock_cursor
-- The device's order, held until the transaction ends; made when the device gets its first command.
INSERT INTO fleet.command_cursors AS cursor (thing_name)
SELECT thing_name FROM fleet.devices WHERE thing_name = %(thing_name)s
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

-- name: model
-- Which model a device is.
SELECT model FROM fleet.devices WHERE thing_name = %(thing_name)s

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

-- name: was_sent
-- Whether the battery may know of the command.
SELECT EXISTS (
    SELECT FROM fleet.command_messages WHERE command_id = %(command_id)s AND (sends > 0 OR acknowledged_at IS NOT NULL)
) AS was_sent

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
UPDATE fleet.commands SET flip_updated_at = %(said_at)s
WHERE command_id = %(command_id)s AND flip_updated_at < %(said_at)s
