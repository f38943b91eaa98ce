-- What Flip wants of the batteries, what was sent to them, and what became of it.

CREATE TABLE fleet.flip_webhooks (
    webhook_id text PRIMARY KEY CHECK (length(webhook_id) BETWEEN 1 AND 200),
    event_type text NOT NULL,
    sent_at timestamptz NOT NULL,
    queued_at timestamptz NOT NULL,
    body jsonb NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('applied', 'outdated', 'unknown_type', 'unknown_subject', 'unreadable')),
    detail text NOT NULL DEFAULT '',
    processed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE fleet.flip_webhooks IS
    'Webhooks with a right signature, each once: the id is kept for longer than Flip delivers it again.';
COMMENT ON COLUMN fleet.flip_webhooks.sent_at IS 'The webhook-timestamp header: Flip''s clock.';
COMMENT ON COLUMN fleet.flip_webhooks.queued_at IS 'When the queue received it: SQS''s clock.';
CREATE INDEX flip_webhooks_processed ON fleet.flip_webhooks (processed_at);

CREATE TABLE fleet.refused_webhooks (
    message_id text PRIMARY KEY,
    reason text NOT NULL CHECK (reason IN ('no_headers', 'bad_signature', 'stale', 'too_large')),
    detail text NOT NULL,
    webhook_id text,
    body bytea NOT NULL,
    queued_at timestamptz NOT NULL,
    refused_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE fleet.refused_webhooks IS 'Forged or stale webhooks, for the operator: the body, never the signature.';
CREATE INDEX refused_webhooks_refused ON fleet.refused_webhooks (refused_at);

CREATE TYPE fleet.command_state AS ENUM (
    'received',      -- heard of; not yet checked against what the battery can do
    'pending',       -- to be sent to the battery
    'delivered',     -- IoT Core took the message; the battery has not answered
    'acknowledged',  -- on the battery's own disk
    'running',       -- the battery acts on it
    'done',
    'failed',        -- the battery cannot, or could not; `reason` says why
    'canceled',      -- taken back by the utility or opted out of, and the battery knows (or never knew of it)
    'superseded',    -- another command with a later start took its place
    'expired'        -- its end came before the battery had it
);

CREATE TABLE fleet.commands (
    command_id text PRIMARY KEY,
    thing_name text NOT NULL REFERENCES fleet.devices,
    revision integer NOT NULL DEFAULT 1 CHECK (revision >= 1),
    flip_status text NOT NULL,
    flip_updated_at timestamptz NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz,
    mode text NOT NULL,
    power_mode text,
    setpoint_w double precision,
    backup_reserve_pct double precision,
    maximum_charge_pct double precision,
    grid_import_allowed boolean,
    is_preparatory boolean NOT NULL DEFAULT false,
    state fleet.command_state NOT NULL,
    reason text NOT NULL DEFAULT '',
    received_at timestamptz NOT NULL,
    revised_at timestamptz NOT NULL,
    delivered_at timestamptz,
    acknowledged_at timestamptz,
    started_at timestamptz,
    finished_at timestamptz,
    report text CHECK (report IN ('OK', 'FAILED_OFFLINE', 'FAILED_FAULT')),
    report_revision integer,
    reported text,
    reported_revision integer,
    reported_at timestamptz,
    report_attempts integer NOT NULL DEFAULT 0,
    next_report_at timestamptz,
    report_failure text NOT NULL DEFAULT '',
    CHECK ((report IS NULL) = (report_revision IS NULL)),
    CHECK ((reported IS NULL) = (reported_revision IS NULL))
);
COMMENT ON TABLE fleet.commands IS 'Flip''s commands, one row each, in their current revision; the life is fleet/commands/life.py''s.';
COMMENT ON COLUMN fleet.commands.revision IS 'Counts what Flip changed: the first version, an update, a cancellation.';
COMMENT ON COLUMN fleet.commands.revised_at IS 'When the queue received this revision: Flip waits 15 minutes from here.';
COMMENT ON COLUMN fleet.commands.report IS 'What Flip is to be told of `report_revision`; `reported` is what it was told.';
COMMENT ON COLUMN fleet.commands.report_failure IS 'Why Flip does not take the report, once it was given up; else empty.';
CREATE INDEX commands_thing ON fleet.commands (thing_name, starts_at);
CREATE INDEX commands_dispatch ON fleet.commands (starts_at, ends_at, mode);
CREATE INDEX commands_open ON fleet.commands (thing_name)
WHERE state IN ('received', 'pending', 'delivered', 'acknowledged', 'running');
CREATE INDEX commands_unreported ON fleet.commands (next_report_at) WHERE next_report_at IS NOT NULL;
CREATE INDEX commands_unanswered ON fleet.commands (revised_at) WHERE report_revision IS DISTINCT FROM revision;

CREATE TABLE fleet.command_transitions (
    transition_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    command_id text NOT NULL REFERENCES fleet.commands ON DELETE CASCADE,
    revision integer NOT NULL,
    from_state fleet.command_state,
    to_state fleet.command_state NOT NULL,
    at timestamptz NOT NULL,
    cause text NOT NULL
);
COMMENT ON TABLE fleet.command_transitions IS 'Each step of a command''s life, when it happened and why.';
CREATE INDEX command_transitions_command ON fleet.command_transitions (command_id, transition_id);

-- A device's own order. A sequence is never used twice, also not after the device was made anew.
CREATE TABLE fleet.command_cursors (
    thing_name text PRIMARY KEY REFERENCES fleet.devices,
    last_sequence bigint NOT NULL DEFAULT 0,
    acknowledged_sequence bigint NOT NULL DEFAULT 0,
    heard_at timestamptz
);
COMMENT ON TABLE fleet.command_cursors IS 'The last sequence given to a device, and the last one that it has on its disk.';
COMMENT ON COLUMN fleet.command_cursors.heard_at IS 'When IoT Core received the newest answer that is counted in.';

CREATE TABLE fleet.command_messages (
    thing_name text NOT NULL REFERENCES fleet.devices,
    sequence bigint NOT NULL CHECK (sequence >= 1),
    command_id text NOT NULL REFERENCES fleet.commands ON DELETE CASCADE,
    revision integer NOT NULL,
    payload jsonb NOT NULL,
    expires_at timestamptz,
    created_at timestamptz NOT NULL,
    sends integer NOT NULL DEFAULT 0,
    last_sent_at timestamptz,
    next_send_at timestamptz,
    acknowledged_at timestamptz,
    PRIMARY KEY (thing_name, sequence)
);
COMMENT ON TABLE fleet.command_messages IS 'What is said to a device, in its order: a command, a change to it, or its cancellation.';
COMMENT ON COLUMN fleet.command_messages.next_send_at IS 'NULL once acknowledged, replaced or expired.';
CREATE INDEX command_messages_command ON fleet.command_messages (command_id);
CREATE INDEX command_messages_open ON fleet.command_messages (thing_name, sequence) WHERE next_send_at IS NOT NULL;
CREATE INDEX command_messages_due ON fleet.command_messages (next_send_at) WHERE next_send_at IS NOT NULL;

-- Ingestion leaves here what devices say of their commands; whoever holds the device's cursor takes it from here. So
-- ingestion waits for nobody and takes no lock that others want.
CREATE TABLE fleet.command_answers (
    answer_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    thing_name text NOT NULL,
    acknowledged_sequence bigint NOT NULL,
    results jsonb NOT NULL,
    received_at timestamptz NOT NULL
);
COMMENT ON TABLE fleet.command_answers IS 'What devices said of their commands and nobody has read yet.';
CREATE INDEX command_answers_thing ON fleet.command_answers (thing_name);

CREATE FUNCTION fleet.announce_command() RETURNS trigger
LANGUAGE plpgsql SET search_path = ''
AS $$
BEGIN
    PERFORM pg_notify('commands', NEW.thing_name);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION fleet.announce_command IS 'Wakes the flow that waits by LISTEN commands.';
CREATE TRIGGER announce AFTER INSERT ON fleet.command_messages
FOR EACH ROW EXECUTE FUNCTION fleet.announce_command();
REVOKE ALL ON FUNCTION fleet.announce_command() FROM PUBLIC;

CREATE FUNCTION fleet.announce_answers() RETURNS trigger
LANGUAGE plpgsql SET search_path = ''
AS $$
BEGIN
    PERFORM pg_notify('commands', '');
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION fleet.announce_answers IS 'Wakes the flow that waits by LISTEN commands.';
CREATE TRIGGER announce AFTER INSERT ON fleet.command_answers
FOR EACH STATEMENT EXECUTE FUNCTION fleet.announce_answers();
REVOKE ALL ON FUNCTION fleet.announce_answers() FROM PUBLIC;

ALTER TABLE fleet.flip_webhooks ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.refused_webhooks ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.commands ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.command_transitions ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.command_cursors ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.command_messages ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.command_answers ENABLE ROW LEVEL SECURITY;

-- Nobody writes any of it by the API. A household sees a command and what became of it from the moment on that the
-- battery is theirs, by when it came here: Flip's and our clock, not the battery's. Operators see every command, and of
-- webhooks all but the bodies.
GRANT SELECT (webhook_id, event_type, sent_at, queued_at, outcome, detail, processed_at) ON fleet.flip_webhooks
TO authenticated;
CREATE POLICY operator_reads ON fleet.flip_webhooks FOR SELECT TO authenticated USING ((SELECT fleet.is_operator()));

GRANT SELECT (message_id, reason, detail, webhook_id, queued_at, refused_at) ON fleet.refused_webhooks TO authenticated;
CREATE POLICY operator_reads ON fleet.refused_webhooks FOR SELECT TO authenticated
    USING ((SELECT fleet.is_operator()));

GRANT SELECT (
    command_id, thing_name, revision, flip_status, starts_at, ends_at, mode, power_mode, setpoint_w, backup_reserve_pct,
    maximum_charge_pct, grid_import_allowed, is_preparatory, state, reason, received_at, revised_at, delivered_at,
    acknowledged_at, started_at, finished_at, report, report_revision, reported, reported_revision, reported_at,
    report_failure
) ON fleet.commands TO authenticated;
CREATE POLICY owner_or_operator_reads ON fleet.commands FOR SELECT TO authenticated
    USING (
        (SELECT fleet.is_operator()) OR EXISTS (
            SELECT FROM fleet.registrations AS mine
            WHERE mine.thing_name = commands.thing_name AND mine.owner_id = (SELECT fleet.current_user_id())
              AND commands.received_at >= mine.visible_from
        )
    );

GRANT SELECT ON fleet.command_transitions TO authenticated;
CREATE POLICY owner_or_operator_reads ON fleet.command_transitions FOR SELECT TO authenticated
    USING (EXISTS (SELECT FROM fleet.commands AS seen WHERE seen.command_id = command_transitions.command_id));

CREATE VIEW public.my_commands WITH (security_invoker = true) AS
SELECT asked.command_id, asked.thing_name, mine.site_id, asked.revision, asked.flip_status, asked.starts_at,
    asked.ends_at, asked.mode, asked.power_mode, asked.setpoint_w, asked.backup_reserve_pct, asked.maximum_charge_pct,
    asked.is_preparatory, asked.state::text AS state, asked.reason, asked.received_at, asked.acknowledged_at,
    asked.started_at, asked.finished_at
FROM fleet.commands AS asked JOIN fleet.registrations AS mine
    ON mine.thing_name = asked.thing_name AND asked.received_at >= mine.visible_from
WHERE mine.owner_id = fleet.current_user_id(); -- an operator may see all, yet owns some
COMMENT ON VIEW public.my_commands IS 'What was asked of the caller''s batteries. W, percent; times UTC.';

CREATE FUNCTION public.command_life(p_command_id text) RETURNS TABLE (
    revision integer, from_state text, to_state text, at timestamptz, cause text
)
LANGUAGE plpgsql STABLE SET search_path = ''
AS $$
BEGIN
    PERFORM fleet.require_user();
    PERFORM FROM fleet.commands WHERE command_id = p_command_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'PT404', MESSAGE = 'No such command was sent to a battery of yours.';
    END IF;
    RETURN QUERY
    SELECT step.revision, step.from_state::text, step.to_state::text, step.at, step.cause
    FROM fleet.command_transitions AS step WHERE step.command_id = p_command_id ORDER BY step.transition_id;
END
$$;
COMMENT ON FUNCTION public.command_life IS
    'Each step of a command''s life, oldest first, for the battery''s owner and operators. PT401, PT404.';

REVOKE ALL ON public.my_commands FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT ON public.my_commands TO authenticated;
REVOKE ALL ON FUNCTION public.command_life(text) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.command_life(text) TO authenticated;
