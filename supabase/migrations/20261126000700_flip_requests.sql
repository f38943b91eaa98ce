-- A homeowner asks something of Flip.
--
-- SECURITY DEFINER: nobody writes the outbox by hand, so that a row in it has passed these checks.

CREATE FUNCTION fleet.require_own_things(p_owner_id uuid, p_site_id uuid, p_thing_names jsonb) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = ''
AS $$
BEGIN
    IF jsonb_typeof(p_thing_names) IS DISTINCT FROM 'array' OR jsonb_array_length(p_thing_names) NOT BETWEEN 1 AND 50 THEN
        RAISE EXCEPTION USING ERRCODE = 'PT422', MESSAGE = 'device_ids names no battery: choose at least one.';
    ELSIF EXISTS (
        SELECT FROM jsonb_array_elements(p_thing_names) AS wanted
        WHERE NOT EXISTS (
            SELECT FROM fleet.registrations
            WHERE to_jsonb(thing_name) = wanted AND owner_id = p_owner_id AND site_id = p_site_id
        )
    ) THEN
        RAISE EXCEPTION USING ERRCODE = 'PT404', MESSAGE = 'A battery is not one of yours at this home: choose among yours.';
    END IF;
END
$$;

CREATE FUNCTION fleet.place_device(p_owner_id uuid, p_site_id uuid, p_thing_name text, p_device jsonb)
RETURNS fleet.registrations
LANGUAGE plpgsql SET search_path = ''
AS $$
DECLARE
    registration fleet.registrations;
BEGIN
    UPDATE fleet.registrations SET site_id = coalesce(site_id, p_site_id),
        device = CASE WHEN p_device IS NULL THEN device ELSE fleet.clean_device(p_device) END,
        commission_status = CASE commission_status WHEN 'failed' THEN 'pending' ELSE commission_status END,
        commission_message = CASE commission_status WHEN 'failed' THEN NULL ELSE commission_message END
    WHERE thing_name = p_thing_name AND owner_id = p_owner_id RETURNING * INTO registration;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'PT404', MESSAGE = 'No such battery is registered to you.';
    ELSIF registration.site_id IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'PT422', MESSAGE = 'This battery stands nowhere yet: choose one of your homes.';
    ELSIF registration.site_id <> p_site_id THEN
        RAISE EXCEPTION USING ERRCODE = 'PT409', MESSAGE = 'This battery stands at another home of yours: choose that one.';
    END IF;
    RETURN registration;
END
$$;
COMMENT ON FUNCTION fleet.place_device IS 'Make ready to commission (again): its home, what the owner says of it, status pending.';

CREATE FUNCTION fleet.refuse_flood(p_owner_id uuid) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = ''
AS $$
BEGIN
    IF (SELECT count(*) FROM fleet.flip_requests WHERE owner_id = p_owner_id AND status IN ('pending', 'running')) >= 20
        OR (SELECT count(*) FROM fleet.flip_requests
            WHERE owner_id = p_owner_id AND created_at > now() - interval '1 hour') >= 200 THEN
        RAISE EXCEPTION USING ERRCODE = 'PT429', MESSAGE = 'Too much was asked for at once: wait until it is done, then try again.';
    END IF;
END
$$;
COMMENT ON FUNCTION fleet.refuse_flood IS 'PT429 above 20 open requests, or 200 in an hour, of one account.';

CREATE FUNCTION fleet.check_event_change(p_owner_id uuid, p_site_id uuid, p_payload jsonb) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = ''
AS $$
DECLARE
    takes_part jsonb := p_payload -> 'is_participating';
    settings jsonb := p_payload -> 'device_settings';
BEGIN
    IF NOT EXISTS (
        SELECT FROM fleet.flip_events WHERE event_id = p_payload ->> 'event_id' AND site_id = p_site_id
    ) THEN
        RAISE EXCEPTION USING ERRCODE = 'PT404', MESSAGE = 'This home has no such event: choose one of its events.';
    ELSIF takes_part IS NULL AND settings IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'PT422', MESSAGE = 'Nothing of the event is changed: say what to change.';
    ELSIF jsonb_typeof(takes_part) <> 'boolean' THEN
        RAISE EXCEPTION USING ERRCODE = 'PT422', MESSAGE = 'A home takes part in an event or does not: answer yes or no.';
    ELSIF settings IS NULL THEN
        RETURN;
    ELSIF jsonb_typeof(settings) <> 'array' THEN
        RAISE EXCEPTION USING ERRCODE = 'PT422', MESSAGE = 'The reserves cannot be read: enter one for each battery.';
    ELSIF EXISTS (
        SELECT FROM jsonb_array_elements(settings) AS setting
        WHERE CASE jsonb_typeof(setting -> 'backup_reserve_percentage')
            WHEN 'number' THEN (setting -> 'backup_reserve_percentage')::numeric NOT BETWEEN 0 AND 100
            ELSE true END
    ) THEN
        RAISE EXCEPTION USING ERRCODE = 'PT422', MESSAGE = 'A reserve is 0 to 100 percent of what a battery holds.';
    END IF;
    PERFORM fleet.require_own_things(p_owner_id, p_site_id, (
        SELECT jsonb_agg(setting -> 'device_id') FROM jsonb_array_elements(settings) AS setting
    ));
END
$$;
COMMENT ON FUNCTION fleet.check_event_change IS
    'Raises unless the event is the home''s, the batteries are the account''s there, and the change can be read.';

CREATE FUNCTION fleet.check_flip_request(
    p_owner_id uuid, p_kind text, p_site_id uuid, p_thing_name text, p_payload jsonb
) RETURNS void
LANGUAGE plpgsql SET search_path = ''
AS $$
BEGIN
    IF p_kind IS NULL
        OR p_kind NOT IN ('commission', 'programs', 'enroll', 'unenroll', 'update_site', 'change_event') THEN
        RAISE EXCEPTION USING ERRCODE = 'PT422', MESSAGE = 'Flip cannot be asked for this.';
    ELSIF jsonb_typeof(p_payload) IS DISTINCT FROM 'object' OR octet_length(p_payload::text) > 16384 THEN
        RAISE EXCEPTION USING ERRCODE = 'PT422', MESSAGE = 'The form is too long or none at all: shorten it.';
    END IF;
    IF p_kind <> 'commission' OR p_site_id IS NOT NULL THEN
        PERFORM fleet.require_own_site(p_owner_id, p_site_id);
    END IF;
    IF p_thing_name IS NOT NULL AND p_kind <> 'commission' THEN
        PERFORM fleet.require_own_things(p_owner_id, p_site_id, jsonb_build_array(p_thing_name));
    END IF;
    IF p_kind = 'enroll' THEN
        PERFORM fleet.require_own_things(p_owner_id, p_site_id, p_payload -> 'device_ids');
    ELSIF p_kind = 'unenroll' AND NOT EXISTS (
        SELECT FROM fleet.enrollments WHERE enrollment_id = p_payload ->> 'enrollment_id' AND site_id = p_site_id
    ) THEN
        RAISE EXCEPTION USING ERRCODE = 'PT404', MESSAGE = 'This home takes no part in that: choose one of its programs.';
    ELSIF p_kind = 'change_event' THEN
        PERFORM fleet.check_event_change(p_owner_id, p_site_id, p_payload);
    END IF;
END
$$;
COMMENT ON FUNCTION fleet.check_flip_request IS
    'Raises unless home, batteries, enrollment and event are the account''s own.';

CREATE FUNCTION public.request_flip(
    p_kind text, p_key text, p_site_id uuid DEFAULT NULL, p_thing_name text DEFAULT NULL, p_payload jsonb DEFAULT '{}'
) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
    user_id uuid := fleet.require_user();
    registration fleet.registrations;
    request fleet.flip_requests;
    the_site_id uuid := p_site_id;
BEGIN
    PERFORM fleet.check_flip_request(user_id, p_kind, p_site_id, p_thing_name, p_payload);
    IF coalesce(length(p_key), 0) NOT BETWEEN 1 AND 300 THEN
        RAISE EXCEPTION USING ERRCODE = 'PT422', MESSAGE = 'The request has no key, or a too long one.';
    END IF;
    -- One account's wishes come in one after the other, so that the same one twice at once is one.
    PERFORM pg_advisory_xact_lock(hashtextextended('fleet.flip_requests/' || user_id, 0));
    IF p_kind = 'commission' THEN
        registration := fleet.place_device(user_id, p_site_id, p_thing_name, p_payload -> 'device');
        the_site_id := registration.site_id;
        SELECT * INTO request FROM fleet.flip_requests WHERE owner_id = user_id AND kind = 'commission'
            AND thing_name = p_thing_name AND status IN ('pending', 'running');
    END IF;
    IF request.request_id IS NULL THEN
        SELECT * INTO request FROM fleet.flip_requests WHERE owner_id = user_id AND key = p_key FOR UPDATE;
    END IF;
    IF request.kind <> p_kind THEN
        RAISE EXCEPTION USING ERRCODE = 'PT409', MESSAGE = 'This key belongs to another request of yours: choose a new one.';
    -- Under these keys reconcile_flip asks for a battery that Flip lost; its owner may take up such a request that failed.
    ELSIF p_key LIKE 'repair/%' AND (request.request_id IS NULL OR request.thing_name IS DISTINCT FROM p_thing_name) THEN
        RAISE EXCEPTION USING ERRCODE = 'PT422', MESSAGE = 'Keys that begin with repair/ are the fleet''s own: choose another.';
    -- Done is done, unless a battery that was commissioned then has to be again: it was released, or Flip lost it.
    ELSIF request.status IN ('pending', 'running')
        OR (request.status = 'succeeded' AND registration.commission_status IS DISTINCT FROM 'pending') THEN
        RETURN request.request_id;
    END IF;
    PERFORM fleet.refuse_flood(user_id);
    -- Two changes of one event could reach Flip in the other order.
    IF p_kind = 'change_event' AND EXISTS (
        SELECT FROM fleet.flip_requests AS earlier
        WHERE earlier.owner_id = user_id AND earlier.kind = 'change_event' AND earlier.status IN ('pending', 'running')
            AND earlier.payload ->> 'event_id' = p_payload ->> 'event_id'
    ) THEN
        RAISE EXCEPTION USING ERRCODE = 'PT409', MESSAGE =
            'Your last change of this event is on its way: wait until it is done, then change it again.';
    END IF;
    INSERT INTO fleet.flip_requests (kind, owner_id, site_id, thing_name, key, payload)
    VALUES (p_kind, user_id, the_site_id, p_thing_name, p_key, p_payload)
    ON CONFLICT (owner_id, key) DO UPDATE SET status = 'pending', site_id = excluded.site_id,
        thing_name = excluded.thing_name, payload = excluded.payload, answer = NULL, message = NULL,
        problem_fields = NULL, attempts = 0, finished_at = NULL, updated_at = now()
    RETURNING * INTO request;
    RETURN request.request_id;
END
$$;
COMMENT ON FUNCTION public.request_flip IS
    'Ask Flip, through the outbox; my_flip_requests has the answer. Kinds and payloads: commission {device?: see '
    'registrations.device} (p_thing_name; p_site_id once, where it has no home yet); programs {} ; enroll {program_id, '
    'device_ids, ... as Flip''s enrollment}; unenroll {enrollment_id}; update_site {}; change_event {event_id, '
    'is_participating?, device_settings?: [{device_id, backup_reserve_percentage}]}, one at a time for an event. '
    'All but commission take p_site_id. '
    'The same key is the same request; a failed one is asked again. PT401, PT404, PT409, PT422, PT429.';

REVOKE ALL ON FUNCTION
    fleet.require_own_things(uuid, uuid, jsonb), fleet.place_device(uuid, uuid, text, jsonb), fleet.refuse_flood(uuid),
    fleet.check_event_change(uuid, uuid, jsonb), fleet.check_flip_request(uuid, text, uuid, text, jsonb)
FROM PUBLIC;
REVOKE ALL ON FUNCTION public.request_flip(text, text, uuid, text, jsonb) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.request_flip(text, text, uuid, text, jsonb) TO authenticated;
