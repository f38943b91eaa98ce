-- A battery that leaves a home leaves it at Flip too, so that its next owner can have it commissioned.
--
-- However it left (given up, transferred, retired) the registration's row tells: so a trigger on it asks, in the same
-- transaction. The request is made in the name of the account that had it, under a key of its own, and is no wish that
-- an account could make by `request_flip`.

ALTER TABLE fleet.flip_requests DROP CONSTRAINT flip_requests_kind_check;
ALTER TABLE fleet.flip_requests ADD CONSTRAINT flip_requests_kind_check CHECK (
    kind IN ('commission', 'programs', 'enroll', 'unenroll', 'update_site', 'change_event', 'remove_device')
);
CREATE INDEX flip_requests_leaving ON fleet.flip_requests (thing_name)
WHERE kind = 'remove_device' AND status IN ('pending', 'running');

CREATE FUNCTION fleet.ask_to_remove(p_thing_name text, p_site_id uuid, p_owner_id uuid) RETURNS void
LANGUAGE sql SET search_path = ''
AS $$
    INSERT INTO fleet.flip_requests (kind, owner_id, site_id, thing_name, key)
    VALUES ('remove_device', p_owner_id, p_site_id, p_thing_name, 'leave/' || p_thing_name || '/' || p_site_id)
    ON CONFLICT (owner_id, key) DO UPDATE SET status = 'pending', answer = NULL, message = NULL, problem_fields = NULL,
        attempts = 0, finished_at = NULL, next_attempt_at = now(), updated_at = now()
$$;
COMMENT ON FUNCTION fleet.ask_to_remove IS 'Have Flip take a battery from a home; asked for again, it is the same request.';

CREATE FUNCTION fleet.leave_flip() RETURNS trigger
LANGUAGE plpgsql SET search_path = ''
AS $$
BEGIN
    PERFORM fleet.ask_to_remove(OLD.thing_name, OLD.site_id, OLD.owner_id);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION fleet.leave_flip IS
    'Whether Flip has the battery is not asked here: its commissioning may be under way, and its answer lost.';

CREATE TRIGGER leave_flip_when_given_up AFTER DELETE ON fleet.registrations
FOR EACH ROW WHEN (OLD.site_id IS NOT NULL) EXECUTE FUNCTION fleet.leave_flip();
CREATE TRIGGER leave_flip_when_transferred AFTER UPDATE OF owner_id, site_id ON fleet.registrations
FOR EACH ROW WHEN (OLD.site_id IS NOT NULL AND (OLD.owner_id, OLD.site_id) IS DISTINCT FROM (NEW.owner_id, NEW.site_id))
EXECUTE FUNCTION fleet.leave_flip();

-- Whoever waits for it to be gone is woken when it is.
CREATE TRIGGER announce_departure AFTER UPDATE OF status ON fleet.flip_requests
FOR EACH ROW WHEN (NEW.kind = 'remove_device' AND NEW.status IN ('succeeded', 'failed'))
EXECUTE FUNCTION fleet.announce_flip_request();

CREATE OR REPLACE FUNCTION fleet.drop_pending_requests(p_thing_name text, p_owner_id uuid, p_message text) RETURNS void
LANGUAGE sql SET search_path = ''
AS $$
    UPDATE fleet.flip_requests
    SET status = 'failed', message = p_message, finished_at = now(), updated_at = now()
    WHERE thing_name = p_thing_name AND owner_id = p_owner_id AND status = 'pending' AND kind <> 'remove_device'
$$;

CREATE OR REPLACE VIEW public.my_flip_requests WITH (security_invoker = true) AS
SELECT request_id, kind, site_id, thing_name, key, payload, status, answer, message, problem_fields, attempts,
    created_at, updated_at, finished_at
FROM fleet.flip_requests WHERE owner_id = fleet.current_user_id() AND kind <> 'remove_device';

REVOKE ALL ON FUNCTION fleet.ask_to_remove(text, uuid, uuid), fleet.leave_flip() FROM PUBLIC;
