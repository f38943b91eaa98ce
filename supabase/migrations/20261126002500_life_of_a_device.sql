-- Certificates with their beginning and end, their rotation, and what becomes of a home's commands when a battery leaves it.

CREATE TABLE fleet.certificates (
    certificate_id text PRIMARY KEY,
    thing_name text NOT NULL,
    public_key_sha256 text,
    expires_at timestamptz,
    added_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    ended_by text CHECK (ended_by IN ('revoked', 'rotated', 'decommissioned')),
    CHECK ((ended_at IS NULL) = (ended_by IS NULL))
);
COMMENT ON TABLE fleet.certificates IS 'Every certificate that a device has or had: kept for good, also of devices that are gone.';
COMMENT ON COLUMN fleet.certificates.expires_at IS 'The certificate''s own notAfter; NULL until it was looked up.';
COMMENT ON COLUMN fleet.certificates.ended_at IS
    'What IoT Core receives by it from then on is refused, whatever AWS still lets in; before, it counts.';
CREATE INDEX certificates_thing ON fleet.certificates (thing_name);
CREATE INDEX certificates_expiry ON fleet.certificates (expires_at) WHERE ended_at IS NULL;

INSERT INTO fleet.certificates (certificate_id, thing_name, public_key_sha256, added_at, ended_at, ended_by)
SELECT certificate_id, thing_name, public_key_sha256, coalesce(certificate_requested_at, created_at),
    CASE WHEN step >= 'retiring' THEN updated_at END, CASE WHEN step >= 'retiring' THEN 'decommissioned' END
FROM fleet.devices WHERE certificate_id IS NOT NULL;

CREATE FUNCTION fleet.keep_certificate() RETURNS trigger
LANGUAGE plpgsql SET search_path = ''
AS $$
BEGIN
    INSERT INTO fleet.certificates (certificate_id, thing_name, public_key_sha256)
    VALUES (NEW.certificate_id, NEW.thing_name, NEW.public_key_sha256)
    ON CONFLICT (certificate_id) DO NOTHING;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION fleet.keep_certificate IS 'A device''s certificate stays on record when the device has another one, or is gone.';
CREATE TRIGGER keep_certificate AFTER INSERT OR UPDATE OF certificate_id ON fleet.devices
FOR EACH ROW WHEN (NEW.certificate_id IS NOT NULL) EXECUTE FUNCTION fleet.keep_certificate();

CREATE TABLE fleet.rotations (
    thing_name text PRIMARY KEY REFERENCES fleet.devices,
    rotation_id uuid NOT NULL DEFAULT gen_random_uuid(),
    former_certificate_id text NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT now(),
    request_pem text CHECK (length(request_pem) <= 8192),
    requested_at timestamptz,
    creating_since timestamptz,
    issued integer NOT NULL DEFAULT 0,
    proven_certificate_id text,
    proven_at timestamptz,
    finished_at timestamptz,
    failure text,
    CHECK ((request_pem IS NULL) = (requested_at IS NULL)),
    CHECK ((proven_certificate_id IS NULL) = (proven_at IS NULL))
);
COMMENT ON TABLE fleet.rotations IS 'How far a device is with its new certificate; one row a device, its last rotation.';
COMMENT ON COLUMN fleet.rotations.requested_at IS 'When IoT Core received the device''s request: an older one replaces no newer one.';
COMMENT ON COLUMN fleet.rotations.creating_since IS
    'Journalled before the call: a certificate for the request may exist that nobody wrote down.';
COMMENT ON COLUMN fleet.rotations.issued IS 'How many certificates were made in this rotation.';
COMMENT ON COLUMN fleet.rotations.proven_at IS 'When IoT Core received the first message over a connection with the new one.';

CREATE FUNCTION fleet.announce_rotation() RETURNS trigger
LANGUAGE plpgsql SET search_path = ''
AS $$
BEGIN
    PERFORM pg_notify('rotations', '');
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION fleet.announce_rotation IS 'Wakes the flow that waits by LISTEN rotations.';
CREATE TRIGGER announce AFTER UPDATE OF request_pem, proven_at ON fleet.rotations
FOR EACH ROW EXECUTE FUNCTION fleet.announce_rotation();

-- A battery that leaves a household takes none of its commands along. The life of a command is fleet/commands/life.py's, so
-- a trigger only leaves word, in the transaction in which the battery leaves, and dispatch ends them within a second.

CREATE TABLE fleet.left_homes (
    thing_name text PRIMARY KEY REFERENCES fleet.devices,
    left_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE fleet.left_homes IS 'Batteries whose open commands are of a household that they left; empty once dispatch was there.';

CREATE FUNCTION fleet.leave_commands() RETURNS trigger
LANGUAGE plpgsql SET search_path = ''
AS $$
BEGIN
    INSERT INTO fleet.left_homes AS earlier (thing_name) VALUES (OLD.thing_name)
    ON CONFLICT (thing_name) DO UPDATE SET left_at = excluded.left_at;
    PERFORM pg_notify('commands', OLD.thing_name);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION fleet.leave_commands IS 'However the battery left (given up, transferred, retired): the registration''s row tells.';
CREATE TRIGGER leave_commands_when_given_up AFTER DELETE ON fleet.registrations
FOR EACH ROW EXECUTE FUNCTION fleet.leave_commands();
CREATE TRIGGER leave_commands_when_transferred AFTER UPDATE OF owner_id ON fleet.registrations
FOR EACH ROW WHEN (OLD.owner_id IS DISTINCT FROM NEW.owner_id) EXECUTE FUNCTION fleet.leave_commands();

-- Nobody's business but the flows', which own the schema.
ALTER TABLE fleet.certificates ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.rotations ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.left_homes ENABLE ROW LEVEL SECURITY;

-- A battery is moved by an operator in the web app, or by the flow, which is no account.
ALTER TABLE fleet.registration_events DROP CONSTRAINT registration_events_actor_check;
ALTER TABLE fleet.registration_events ADD CONSTRAINT registration_events_actor_check CHECK (
    actor_id IS NOT NULL OR kind IN ('released', 'transferred', 'retired')
);
COMMENT ON COLUMN fleet.registration_events.actor_id IS
    'Who did it: the owner, or an operator; NULL for a flow, which is no account.';

CREATE FUNCTION fleet.account_named(p_email text) RETURNS uuid
LANGUAGE plpgsql STABLE SET search_path = ''
AS $$
DECLARE
    found_id uuid;
BEGIN
    -- A plain PostgreSQL has no accounts.
    IF to_regclass('auth.users') IS NOT NULL THEN
        EXECUTE 'SELECT id FROM auth.users WHERE lower(email::text) = $1 AND email_confirmed_at IS NOT NULL'
        INTO found_id USING lower(btrim(p_email));
    END IF;
    IF found_id IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'PT404', MESSAGE = 'No account has this address: ask the new owner to sign in once.';
    END IF;
    RETURN found_id;
END
$$;
COMMENT ON FUNCTION fleet.account_named IS 'The account that has proved this address, or PT404. For those who may read auth.users.';

CREATE FUNCTION fleet.require_battery(p_thing_name text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = ''
AS $$
BEGIN
    PERFORM FROM fleet.devices WHERE thing_name = p_thing_name AND step NOT IN ('retiring', 'retired');
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'PT404', MESSAGE = 'There is no battery of this name: check its spelling.';
    END IF;
    PERFORM FROM fleet.registrations WHERE thing_name = p_thing_name;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'PT404', MESSAGE = 'This battery is registered to nobody: its link registers it.';
    END IF;
END
$$;
COMMENT ON FUNCTION fleet.require_battery IS 'PT404 unless the battery is in service and somebody''s.';

CREATE FUNCTION fleet.hand_on(p_thing_name text, p_new_owner_id uuid, p_actor_id uuid) RETURNS void
LANGUAGE plpgsql SET search_path = ''
AS $$
DECLARE
    registration fleet.registrations;
BEGIN
    SELECT * INTO registration FROM fleet.registrations WHERE thing_name = p_thing_name FOR UPDATE;
    IF NOT FOUND THEN
        PERFORM fleet.require_battery(p_thing_name);
    ELSIF registration.owner_id = p_new_owner_id THEN
        RAISE EXCEPTION USING ERRCODE = 'PT409', MESSAGE = 'The battery is registered to this account already.';
    END IF;
    PERFORM fleet.drop_pending_requests(p_thing_name, registration.owner_id, 'The operator transferred the battery.');
    -- The former household does not stay in a program with a battery that is another's.
    INSERT INTO fleet.flip_requests (kind, owner_id, site_id, thing_name, key, payload)
    SELECT 'unenroll', registration.owner_id, site_id, p_thing_name, 'transfer/' || gen_random_uuid(),
        jsonb_build_object('enrollment_id', enrollment_id)
    FROM fleet.active_enrollments(p_thing_name, registration.site_id);
    IF p_new_owner_id IS NULL THEN
        DELETE FROM fleet.registrations WHERE thing_name = p_thing_name;
    ELSE
        UPDATE fleet.registrations SET owner_id = p_new_owner_id, site_id = NULL, registered_by = 'transfer',
            registered_at = now(), visible_from = now(), link_id = NULL, link_issued_at = NULL, link_expires_at = NULL,
            device = '{}', commission_status = 'pending', commission_message = NULL, commissioned_at = NULL
        WHERE thing_name = p_thing_name;
    END IF;
    INSERT INTO fleet.registration_events (thing_name, kind, from_owner_id, to_owner_id, actor_id, certificate_id)
    VALUES (p_thing_name, CASE WHEN p_new_owner_id IS NULL THEN 'released' ELSE 'transferred' END,
        registration.owner_id, p_new_owner_id, p_actor_id, registration.certificate_id);
END
$$;
COMMENT ON FUNCTION fleet.hand_on IS
    'Take a battery from its owner: it becomes another account''s, which then says where it stands, or nobody''s (NULL), '
    'until its next link. PT404, PT409.';

CREATE OR REPLACE FUNCTION public.transfer_device(p_thing_name text, p_to_email text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
    operator_id uuid := fleet.require_operator();
BEGIN
    PERFORM fleet.require_battery(p_thing_name); -- first: of a battery that there is not, no address is wrong
    PERFORM fleet.hand_on(p_thing_name, fleet.account_named(p_to_email), operator_id);
END
$$;

REVOKE ALL ON FUNCTION
    fleet.keep_certificate(), fleet.announce_rotation(), fleet.leave_commands(), fleet.account_named(text),
    fleet.hand_on(text, uuid, uuid), fleet.require_battery(text)
FROM PUBLIC;
