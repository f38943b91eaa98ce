-- Who may read which rows. `authenticated` gets these columns of these tables and no others; it writes only homes.
--
-- Subqueries in parentheses are evaluated once a statement instead of once a row.

-- Homes: the owner's alone. An operator has no business with addresses.
GRANT SELECT, INSERT, UPDATE ON fleet.sites TO authenticated;
CREATE POLICY owner_reads ON fleet.sites FOR SELECT TO authenticated
    USING (owner_id = (SELECT fleet.current_user_id()));
CREATE POLICY owner_adds ON fleet.sites FOR INSERT TO authenticated
    WITH CHECK (owner_id = (SELECT fleet.current_user_id()));
CREATE POLICY owner_changes ON fleet.sites FOR UPDATE TO authenticated
    USING (owner_id = (SELECT fleet.current_user_id()))
    WITH CHECK (owner_id = (SELECT fleet.current_user_id()));

GRANT SELECT ON fleet.registrations TO authenticated;
CREATE POLICY owner_or_operator_reads ON fleet.registrations FOR SELECT TO authenticated
    USING (owner_id = (SELECT fleet.current_user_id()) OR (SELECT fleet.is_operator()));

GRANT SELECT ON fleet.registration_events TO authenticated;
CREATE POLICY party_or_operator_reads ON fleet.registration_events FOR SELECT TO authenticated
    USING ((SELECT fleet.current_user_id()) IN (from_owner_id, to_owner_id) OR (SELECT fleet.is_operator()));

GRANT SELECT (thing_name, model, step, certificate_id, public_key_sha256, provisioned_at) ON fleet.devices
TO authenticated;
CREATE POLICY owner_or_operator_reads ON fleet.devices FOR SELECT TO authenticated
    USING (
        (SELECT fleet.is_operator()) OR EXISTS (
            SELECT FROM fleet.registrations AS mine
            WHERE mine.thing_name = devices.thing_name AND mine.owner_id = (SELECT fleet.current_user_id())
        )
    );

-- Telemetry: from the moment on that the battery is the household's. The partitions have no policy and are granted to
-- nobody: a query through the parent is held by the parent's policy.
GRANT SELECT ON fleet.telemetry, fleet.telemetry_1min, fleet.telemetry_1h, fleet.telemetry_latest TO authenticated;
CREATE POLICY owner_or_operator_reads ON fleet.telemetry FOR SELECT TO authenticated
    USING (
        (SELECT fleet.is_operator()) OR EXISTS (
            SELECT FROM fleet.registrations AS mine
            WHERE mine.thing_name = telemetry.thing_name AND mine.owner_id = (SELECT fleet.current_user_id())
              AND telemetry.measured_at >= mine.visible_from AND telemetry.received_at >= mine.visible_from
        )
    );
-- A rollup's start is the device's clock, and that may have been fast: the next household sees none that holds a sample
-- which arrived before its own time. One that holds samples of both households stays hidden: it cannot be taken apart.
CREATE POLICY owner_or_operator_reads ON fleet.telemetry_1min FOR SELECT TO authenticated
    USING (
        (SELECT fleet.is_operator()) OR EXISTS (
            SELECT FROM fleet.registrations AS mine
            WHERE mine.thing_name = telemetry_1min.thing_name AND mine.owner_id = (SELECT fleet.current_user_id())
              AND telemetry_1min.bucket_start >= mine.visible_from
              AND telemetry_1min.earliest_received_at >= mine.visible_from
        )
    );
CREATE POLICY owner_or_operator_reads ON fleet.telemetry_1h FOR SELECT TO authenticated
    USING (
        (SELECT fleet.is_operator()) OR EXISTS (
            SELECT FROM fleet.registrations AS mine
            WHERE mine.thing_name = telemetry_1h.thing_name AND mine.owner_id = (SELECT fleet.current_user_id())
              AND telemetry_1h.bucket_start >= mine.visible_from
              AND telemetry_1h.earliest_received_at >= mine.visible_from
        )
    );
CREATE POLICY owner_or_operator_reads ON fleet.telemetry_latest FOR SELECT TO authenticated
    USING (
        (SELECT fleet.is_operator()) OR EXISTS (
            SELECT FROM fleet.registrations AS mine
            WHERE mine.thing_name = telemetry_latest.thing_name AND mine.owner_id = (SELECT fleet.current_user_id())
              AND telemetry_latest.received_at >= mine.visible_from
              AND telemetry_latest.measured_at >= mine.visible_from
        )
    );

GRANT SELECT ON fleet.flip_requests TO authenticated;
CREATE POLICY owner_reads ON fleet.flip_requests FOR SELECT TO authenticated
    USING (owner_id = (SELECT fleet.current_user_id()));

GRANT SELECT ON fleet.enrollments, fleet.site_programs TO authenticated;
CREATE POLICY owner_reads ON fleet.enrollments FOR SELECT TO authenticated
    USING (site_id IN (SELECT mine.site_id FROM fleet.sites AS mine));
CREATE POLICY owner_reads ON fleet.site_programs FOR SELECT TO authenticated
    USING (site_id IN (SELECT mine.site_id FROM fleet.sites AS mine));

-- The quarantine's bodies stay with the operators' command line: they are whatever a stranger sent.
GRANT SELECT (quarantine_id, reason, detail, thing_name, sent_at, quarantined_at, replayed_at) ON fleet.quarantine
TO authenticated;
CREATE POLICY operator_reads ON fleet.quarantine FOR SELECT TO authenticated USING ((SELECT fleet.is_operator()));
