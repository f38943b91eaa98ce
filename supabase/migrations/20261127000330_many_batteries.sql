-- A dispatch of many batteries. Taken into the query whole, what was asked is one row to the planner, which then joins
-- hundreds by nested loops; a function with a search path is not taken in, and says how many rows it gives. The rule is
-- as it was (20261127000300_command_revisions.sql).

CREATE OR REPLACE FUNCTION fleet.command_asks(p_command_ids text[]) RETURNS TABLE (
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
