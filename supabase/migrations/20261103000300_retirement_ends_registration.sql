-- A battery that is taken out of service is nobody's any more: its name may come back as another battery.

ALTER TABLE fleet.registration_events DROP CONSTRAINT registration_events_kind_check;
ALTER TABLE fleet.registration_events
    ADD CONSTRAINT registration_events_kind_check CHECK (kind IN ('bound', 'released', 'transferred', 'retired')),
    ALTER COLUMN actor_id DROP NOT NULL,
    ADD CONSTRAINT registration_events_actor_check CHECK (actor_id IS NOT NULL OR kind = 'retired');
COMMENT ON COLUMN fleet.registration_events.actor_id IS
    'Who did it: the owner, or an operator; NULL for a retirement, which the factory''s flow does and no account.';

-- What was retired before.
WITH gone AS (
    DELETE FROM fleet.registrations AS registration USING fleet.devices AS device
    WHERE device.thing_name = registration.thing_name AND device.step = 'retired'
    RETURNING registration.thing_name, registration.owner_id, registration.certificate_id
)
INSERT INTO fleet.registration_events (thing_name, kind, from_owner_id, certificate_id)
SELECT thing_name, 'retired', owner_id, certificate_id FROM gone;
