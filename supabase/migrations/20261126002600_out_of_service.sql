-- From when to when a battery is listened to: a connection may outlive its certificate, and a name may be another battery's.

ALTER TABLE fleet.devices
    ADD COLUMN heard_from timestamptz NOT NULL DEFAULT '1970-01-01T00:00:00Z',
    ADD COLUMN silenced_at timestamptz;
COMMENT ON COLUMN fleet.devices.heard_from IS
    'What IoT Core received before this was another battery''s of this name, or came while this one was out of service.';
COMMENT ON COLUMN fleet.devices.silenced_at IS
    'What IoT Core received from here on is not stored: the battery is out of service. NULL: it is listened to.';
UPDATE fleet.devices SET silenced_at = updated_at WHERE step >= 'retiring';

CREATE FUNCTION fleet.keep_service_time() RETURNS trigger
LANGUAGE plpgsql SET search_path = ''
AS $$
BEGIN
    IF NEW.step >= 'retiring' THEN
        NEW.silenced_at := coalesce(NEW.silenced_at, now());
    ELSIF OLD.step >= 'retiring' THEN
        NEW.silenced_at := NULL;
    END IF;
    IF OLD.silenced_at IS NOT NULL AND NEW.silenced_at IS NULL THEN
        NEW.heard_from := now();
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION fleet.keep_service_time IS
    'A battery that is retired is silenced; one that is back, or whose name is another''s now, is heard from that moment on.';
REVOKE ALL ON FUNCTION fleet.keep_service_time() FROM PUBLIC;
CREATE TRIGGER devices_service_time BEFORE UPDATE OF step, silenced_at ON fleet.devices
FOR EACH ROW EXECUTE FUNCTION fleet.keep_service_time();
