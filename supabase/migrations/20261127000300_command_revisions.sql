-- What Flip asked of a battery, word by word: what was asked first is never rewritten.
--
-- A word of Flip's holds from when the queue had it until the next one; the first holds from ever. What it asks for
-- while it holds is asked, and nothing that comes later takes that back: an opt-out, a cancellation, a shorter window
-- or a lower setpoint count from their moment on. A command also ends where another one takes over
-- (fleet/commands/precedence.py) and where the battery leaves the home that it was for.

CREATE TABLE fleet.command_revisions (
    command_id text NOT NULL REFERENCES fleet.commands ON DELETE CASCADE,
    revision integer NOT NULL CHECK (revision >= 1),
    heard_at timestamptz NOT NULL,
    flip_status text NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz,
    mode text NOT NULL,
    setpoint_w double precision,
    PRIMARY KEY (command_id, revision)
);
COMMENT ON TABLE fleet.command_revisions IS
    'Every word of Flip''s on a command, as it came: what was asked first stays beside what was asked in the end.';
COMMENT ON COLUMN fleet.command_revisions.heard_at IS 'When the queue received it: SQS''s clock.';
COMMENT ON COLUMN fleet.command_revisions.setpoint_w IS 'W, in the mode''s direction; NULL where none is asked for.';

CREATE FUNCTION fleet.asked_setpoint_w(p_mode text, p_power_mode text, p_setpoint_w double precision)
RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE WHEN p_mode IN ('CHARGE', 'DISCHARGE') AND p_power_mode IS DISTINCT FROM 'FOLLOW_LOAD'
        THEN p_setpoint_w END
$$;
COMMENT ON FUNCTION fleet.asked_setpoint_w IS
    'The power that a battery is to hold (W); NULL where it follows the load or the mode has none.';

-- Of commands that were changed before this table was, their messages to the batteries tell.
INSERT INTO fleet.command_revisions
SELECT DISTINCT ON (message.command_id, message.revision) message.command_id, message.revision, message.created_at,
    CASE WHEN payload ->> 'action' = 'SET' THEN 'OK' ELSE 'CANCELED' END,
    coalesce((payload ->> 'starts_at')::timestamptz, command.starts_at), (payload ->> 'ends_at')::timestamptz,
    coalesce(payload ->> 'mode', command.mode), (payload ->> 'setpoint_w')::double precision
FROM fleet.command_messages AS message JOIN fleet.commands AS command USING (command_id)
WHERE message.revision < command.revision
ORDER BY message.command_id, message.revision, payload ->> 'action' = 'SET' DESC, message.sequence;
INSERT INTO fleet.command_revisions
SELECT command_id, revision, revised_at, flip_status, starts_at, ends_at, mode,
    fleet.asked_setpoint_w(mode, power_mode, setpoint_w)
FROM fleet.commands;

CREATE FUNCTION fleet.keep_command_revision() RETURNS trigger
LANGUAGE plpgsql SET search_path = ''
AS $$
BEGIN
    INSERT INTO fleet.command_revisions
    VALUES (NEW.command_id, NEW.revision, NEW.revised_at, NEW.flip_status, NEW.starts_at, NEW.ends_at, NEW.mode,
        fleet.asked_setpoint_w(NEW.mode, NEW.power_mode, NEW.setpoint_w))
    ON CONFLICT (command_id, revision) DO NOTHING;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION fleet.keep_command_revision IS
    'Keeps a word of Flip''s on a command, whoever wrote it down; none is ever changed.';
CREATE TRIGGER keep_first_revision AFTER INSERT ON fleet.commands
FOR EACH ROW EXECUTE FUNCTION fleet.keep_command_revision();
CREATE TRIGGER keep_revision AFTER UPDATE OF revision ON fleet.commands
FOR EACH ROW WHEN (OLD.revision IS DISTINCT FROM NEW.revision) EXECUTE FUNCTION fleet.keep_command_revision();

ALTER TABLE fleet.command_revisions ENABLE ROW LEVEL SECURITY;
GRANT SELECT ON fleet.command_revisions TO authenticated;
CREATE POLICY owner_or_operator_reads ON fleet.command_revisions FOR SELECT TO authenticated
    USING (EXISTS (SELECT FROM fleet.commands AS seen WHERE seen.command_id = command_revisions.command_id));

-- Taken into the query whole, what was asked is one row to the planner, which then joins hundreds of batteries by nested
-- loops; a function with a search path is not taken in, and says how many rows it gives.
CREATE FUNCTION fleet.command_asks(p_command_ids text[]) RETURNS TABLE (
    command_id text, thing_name text, from_at timestamptz, to_at timestamptz, mode text, setpoint_w double precision
)
LANGUAGE sql STABLE ROWS 500 SET search_path = ''
AS $$
    WITH word AS (
        SELECT revision.*,
            CASE WHEN row_number() OVER life > 1 THEN heard_at ELSE '-infinity' END AS holds_from,
            -- Not the next one's: words may reach the queue in another order than Flip said them in.
            min(heard_at) OVER (
                PARTITION BY revision.command_id ORDER BY revision.revision
                ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
            ) AS replaced_at
        FROM fleet.command_revisions AS revision WHERE revision.command_id = ANY (p_command_ids)
        WINDOW life AS (PARTITION BY revision.command_id ORDER BY revision.revision)
    ), command AS MATERIALIZED (
        SELECT own.command_id, own.thing_name, own.finished_at, least(
            (SELECT min(rival.starts_at) FROM fleet.commands AS rival
             WHERE rival.thing_name = own.thing_name AND rival.command_id <> own.command_id
                AND (rival.starts_at, rival.revised_at, rival.command_id)
                    > (own.starts_at, own.revised_at, own.command_id)
                AND (
                    rival.started_at IS NOT NULL
                    OR rival.flip_status = 'OK' AND rival.state NOT IN ('failed', 'canceled', 'expired')
                )),
            (SELECT min(departure.happened_at) FROM fleet.registration_events AS departure
             WHERE departure.thing_name = own.thing_name AND departure.from_owner_id IS NOT NULL
                AND departure.happened_at >= own.received_at),
            CASE WHEN own.state = 'superseded' THEN own.finished_at END,
            -- It had left already, for no home that Flip knew: what came was for the one before.
            CASE WHEN own.state = 'failed' AND own.started_at IS NULL AND (
                SELECT latest.from_owner_id IS NOT NULL FROM fleet.registration_events AS latest
                WHERE latest.thing_name = own.thing_name AND latest.happened_at < own.received_at
                ORDER BY latest.event_id DESC LIMIT 1
            ) AND NOT EXISTS (
                SELECT FROM fleet.registrations AS owned
                WHERE owned.thing_name = own.thing_name AND owned.commissioned_at <= own.received_at
            ) THEN own.starts_at END
        ) AS ended_at
        FROM fleet.commands AS own WHERE own.command_id = ANY (p_command_ids)
    )
    SELECT command.command_id, command.thing_name, spell.from_at, spell.to_at, word.mode, word.setpoint_w
    FROM word JOIN command USING (command_id)
    CROSS JOIN LATERAL (
        SELECT greatest(word.starts_at, word.holds_from) AS from_at,
            least(
                coalesce(word.ends_at, command.finished_at), word.replaced_at, command.ended_at,
                word.starts_at + interval '48 hours'
            ) AS to_at
    ) AS spell
    WHERE word.flip_status = 'OK' AND spell.from_at < spell.to_at
$$;
COMMENT ON FUNCTION fleet.command_asks IS
    'When what was asked of the batteries of these commands, as Flip''s words changed it: spells of one mode and '
    'setpoint (W), none of them over another of its command. No spell: never asked. Two days after its start at most.';

REVOKE ALL ON FUNCTION
    fleet.asked_setpoint_w(text, text, double precision), fleet.keep_command_revision(), fleet.command_asks(text[])
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION fleet.asked_setpoint_w(text, text, double precision), fleet.command_asks(text[])
TO authenticated;
