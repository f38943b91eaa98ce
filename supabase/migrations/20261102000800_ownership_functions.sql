-- A battery loses its owner or gets another one, and what is on record about that.

CREATE FUNCTION fleet.accounts() RETURNS TABLE (user_id uuid, email text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ''
AS $$
BEGIN
    PERFORM fleet.require_operator();
    -- A plain PostgreSQL has no accounts.
    IF to_regclass('auth.users') IS NOT NULL THEN
        RETURN QUERY EXECUTE
            'SELECT id, lower(email::text) FROM auth.users WHERE email IS NOT NULL AND email_confirmed_at IS NOT NULL';
    END IF;
END
$$;
COMMENT ON FUNCTION fleet.accounts IS 'For operators: the accounts that have proved their address. SECURITY DEFINER: auth.users is closed.';

CREATE FUNCTION fleet.active_enrollments(p_thing_name text, p_site_id uuid) RETURNS SETOF fleet.enrollments
LANGUAGE sql STABLE SET search_path = ''
AS $$
    SELECT * FROM fleet.enrollments
    WHERE site_id = p_site_id AND p_thing_name = ANY (thing_names) AND status NOT IN ('UNENROLLED', 'REJECTED')
$$;

CREATE FUNCTION fleet.drop_pending_requests(p_thing_name text, p_owner_id uuid, p_message text) RETURNS void
LANGUAGE sql SET search_path = ''
AS $$
    UPDATE fleet.flip_requests
    SET status = 'failed', message = p_message, finished_at = now(), updated_at = now()
    WHERE thing_name = p_thing_name AND owner_id = p_owner_id AND status = 'pending'
$$;

CREATE FUNCTION public.release_device(p_thing_name text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
    user_id uuid := fleet.require_user();
    registration fleet.registrations;
    program text;
BEGIN
    SELECT * INTO registration FROM fleet.registrations
    WHERE thing_name = p_thing_name AND owner_id = user_id FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'PT404', MESSAGE = 'No such battery is registered to you.';
    END IF;
    SELECT coalesce(program_name, program_id) INTO program
    FROM fleet.active_enrollments(p_thing_name, registration.site_id) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'PT409', MESSAGE =
            format('This battery takes part in %s: leave the program first, then release the battery.', program);
    END IF;
    IF EXISTS (
        SELECT FROM fleet.flip_requests AS asked
        WHERE asked.owner_id = user_id AND asked.kind = 'enroll' AND asked.status IN ('pending', 'running')
          AND asked.payload -> 'device_ids' ? p_thing_name
    ) THEN
        RAISE EXCEPTION USING ERRCODE = 'PT409', MESSAGE =
            'An application for a program with this battery is on its way: wait for its answer, then release the battery.';
    END IF;
    DELETE FROM fleet.registrations WHERE thing_name = p_thing_name;
    PERFORM fleet.drop_pending_requests(p_thing_name, user_id, 'The battery was released before this was done.');
    INSERT INTO fleet.registration_events (thing_name, kind, from_owner_id, actor_id, certificate_id)
    VALUES (p_thing_name, 'released', user_id, user_id, registration.certificate_id);
END
$$;
COMMENT ON FUNCTION public.release_device IS
    'Give up one of the caller''s batteries; its next link makes it somebody''s again. PT404, PT409 (in a program).';

CREATE FUNCTION public.transfer_device(p_thing_name text, p_to_email text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
    operator_id uuid := fleet.require_operator();
    registration fleet.registrations;
    new_owner_id uuid;
BEGIN
    SELECT * INTO registration FROM fleet.registrations WHERE thing_name = p_thing_name FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'PT404', MESSAGE = 'This battery is registered to nobody: its link registers it.';
    END IF;
    SELECT user_id INTO new_owner_id FROM fleet.accounts() WHERE email = lower(btrim(p_to_email));
    IF new_owner_id IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'PT404', MESSAGE = 'No account has this address: ask the new owner to sign in once.';
    ELSIF new_owner_id = registration.owner_id THEN
        RAISE EXCEPTION USING ERRCODE = 'PT409', MESSAGE = 'The battery is registered to this account already.';
    END IF;
    PERFORM fleet.drop_pending_requests(p_thing_name, registration.owner_id, 'The operator transferred the battery.');
    -- The former household does not stay in a program with a battery that is another's.
    INSERT INTO fleet.flip_requests (kind, owner_id, site_id, thing_name, key, payload)
    SELECT 'unenroll', registration.owner_id, site_id, p_thing_name, 'transfer/' || gen_random_uuid(),
        jsonb_build_object('enrollment_id', enrollment_id)
    FROM fleet.active_enrollments(p_thing_name, registration.site_id);
    UPDATE fleet.registrations SET owner_id = new_owner_id, site_id = NULL, registered_by = 'transfer',
        registered_at = now(), visible_from = now(), link_id = NULL, link_issued_at = NULL, link_expires_at = NULL,
        device = '{}', commission_status = 'pending', commission_message = NULL, commissioned_at = NULL
    WHERE thing_name = p_thing_name;
    INSERT INTO fleet.registration_events (thing_name, kind, from_owner_id, to_owner_id, actor_id, certificate_id)
    VALUES (p_thing_name, 'transferred', registration.owner_id, new_owner_id, operator_id, registration.certificate_id);
END
$$;
COMMENT ON FUNCTION public.transfer_device IS
    'For operators: make a battery another account''s, which then says where it stands (request_flip, commission). '
    'PT403, PT404, PT409.';

CREATE FUNCTION public.registration_record(p_thing_name text) RETURNS TABLE (
    thing_name text, model text, certificate_id text, certificate_public_key_sha256 text, provisioned_at timestamptz,
    registered_by text, registered_at timestamptz, link_id text, link_issued_at timestamptz,
    link_expires_at timestamptz, history jsonb
)
LANGUAGE plpgsql STABLE SET search_path = ''
AS $$
BEGIN
    PERFORM fleet.require_user();
    RETURN QUERY
    SELECT mine.thing_name, device.model, mine.certificate_id,
        CASE WHEN device.certificate_id = mine.certificate_id THEN device.public_key_sha256 END,
        device.provisioned_at, mine.registered_by, mine.registered_at, mine.link_id, mine.link_issued_at,
        mine.link_expires_at,
        (SELECT jsonb_agg(jsonb_build_object('kind', event.kind, 'happened_at', event.happened_at,
            'certificate_id', event.certificate_id, 'link_id', event.link_id) ORDER BY event.event_id)
         FROM fleet.registration_events AS event WHERE event.thing_name = mine.thing_name)
    FROM fleet.registrations AS mine JOIN fleet.devices AS device ON device.thing_name = mine.thing_name
    WHERE mine.thing_name = p_thing_name;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'PT404', MESSAGE = 'No such battery is registered to you.';
    END IF;
END
$$;
COMMENT ON FUNCTION public.registration_record IS
    'How a battery became its owner''s: by which certificate and link, when, and the changes of hands that the caller '
    'was part of. One row, for its owner and operators; PT404.';

REVOKE ALL ON FUNCTION
    fleet.accounts(), fleet.active_enrollments(text, uuid), fleet.drop_pending_requests(text, uuid, text)
FROM PUBLIC;
REVOKE ALL ON FUNCTION
    public.release_device(text), public.transfer_device(text, text), public.registration_record(text)
FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION
    fleet.accounts(), public.release_device(text), public.transfer_device(text, text),
    public.registration_record(text)
TO authenticated;
