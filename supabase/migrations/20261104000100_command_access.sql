-- Who may read what of webhooks, events and commands, and what the pages ask of them. Nobody writes any of it by the API.
--
-- A household sees commands, events and what became of them from the moment on that the battery is theirs, by when they
-- came here: Flip's and our clock, not the battery's. Operators see every command, and of webhooks all but the bodies.

GRANT SELECT (webhook_id, event_type, sent_at, queued_at, outcome, detail, processed_at) ON fleet.flip_webhooks
TO authenticated;
CREATE POLICY operator_reads ON fleet.flip_webhooks FOR SELECT TO authenticated USING ((SELECT fleet.is_operator()));

GRANT SELECT (message_id, reason, detail, webhook_id, queued_at, refused_at) ON fleet.refused_webhooks TO authenticated;
CREATE POLICY operator_reads ON fleet.refused_webhooks FOR SELECT TO authenticated
    USING ((SELECT fleet.is_operator()));

GRANT SELECT (event_id, site_id, starts_at, ends_at, status, is_participating, schedule, device_settings, heard_at)
ON fleet.flip_events TO authenticated;
CREATE POLICY owner_reads ON fleet.flip_events FOR SELECT TO authenticated
    USING (EXISTS (
        SELECT FROM fleet.registrations AS mine
        WHERE mine.site_id = flip_events.site_id AND mine.owner_id = (SELECT fleet.current_user_id())
          AND flip_events.heard_at >= mine.visible_from
    ));

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

CREATE VIEW public.my_events WITH (security_invoker = true) AS
SELECT event_id, site_id, starts_at, ends_at, status, is_participating, schedule, device_settings, heard_at
FROM fleet.flip_events;
COMMENT ON VIEW public.my_events IS
    'The utility''s events at the caller''s homes, as Flip last said; schedule and device_settings in Flip''s own names. '
    'request_flip, change_event changes one.';

CREATE VIEW public.my_commands WITH (security_invoker = true) AS
SELECT asked.command_id, asked.thing_name, mine.site_id, asked.revision, asked.flip_status, asked.starts_at,
    asked.ends_at, asked.mode, asked.power_mode, asked.setpoint_w, asked.backup_reserve_pct, asked.maximum_charge_pct,
    asked.is_preparatory, asked.state::text AS state, asked.reason, asked.received_at, asked.acknowledged_at,
    asked.started_at, asked.finished_at
FROM fleet.commands AS asked JOIN fleet.registrations AS mine
    ON mine.thing_name = asked.thing_name AND asked.received_at >= mine.visible_from
WHERE mine.owner_id = fleet.current_user_id(); -- an operator may see all, yet owns some
COMMENT ON VIEW public.my_commands IS 'What was asked of the caller''s batteries. W, percent; times UTC.';

REVOKE ALL ON public.my_events, public.my_commands FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT ON public.my_events, public.my_commands TO authenticated;
