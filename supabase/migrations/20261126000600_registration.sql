-- A battery gets its owner, by a link that the web app has verified.
--
-- SECURITY DEFINER: binding reads what its caller may not see, the ledger, other accounts' registrations, spent links.

CREATE FUNCTION fleet.require_app_credential(credential text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = ''
AS $$
BEGIN
    PERFORM FROM fleet.app_credentials
    WHERE secret_sha256 = sha256(convert_to(credential, 'UTF8')) AND revoked_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'PT403', MESSAGE = 'Only the web app can register a battery: open the battery''s link there.';
    END IF;
END
$$;

CREATE FUNCTION fleet.clean_device(document jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE SET search_path = ''
AS $$
DECLARE
    figures CONSTANT text[] := ARRAY['battery_capacity_wh', 'battery_power_input_w', 'battery_power_output_w'];
    cleaned jsonb;
    figure text;
BEGIN
    IF jsonb_typeof(document) <> 'object' THEN
        RAISE EXCEPTION USING ERRCODE = 'PT422', MESSAGE = 'The device is no JSON object.';
    END IF;
    cleaned := fleet.clean_text(
        document - figures, ARRAY['manufacturer_name', 'product_name', 'serial_number', 'install_date']
    );
    BEGIN
        -- Distinct also from infinity, which is a date without a text.
        IF cleaned ->> 'install_date' IS DISTINCT FROM to_char((cleaned ->> 'install_date')::date, 'YYYY-MM-DD') THEN
            RAISE datetime_field_overflow;
        END IF;
    EXCEPTION WHEN data_exception THEN
        RAISE EXCEPTION USING ERRCODE = 'PT422', MESSAGE = 'install_date is no date: use year-month-day, such as 2026-05-31.';
    END;
    FOREACH figure IN ARRAY figures LOOP
        CONTINUE WHEN coalesce(jsonb_typeof(document -> figure), 'null') = 'null';
        IF jsonb_typeof(document -> figure) <> 'number' OR (document ->> figure)::numeric NOT BETWEEN 0 AND 1000000000 THEN
            RAISE EXCEPTION USING ERRCODE = 'PT422', MESSAGE = format('%s is no number from 0 on: correct it.', figure);
        END IF;
        cleaned := cleaned || jsonb_build_object(figure, document -> figure);
    END LOOP;
    RETURN jsonb_strip_nulls(cleaned);
END
$$;
COMMENT ON FUNCTION fleet.clean_device IS 'What an owner says of a battery, checked; PT422 names what cannot be used.';

CREATE FUNCTION fleet.refuse_link(
    p_thing_name text, p_link_id text, p_issued_at timestamptz, p_expires_at timestamptz
) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = ''
AS $$
BEGIN
    PERFORM FROM fleet.registrations WHERE thing_name = p_thing_name;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'PT409', MESSAGE =
            'This battery is registered to another account: ask its owner to release it, or the operator to transfer it.';
    END IF;
    PERFORM FROM fleet.used_links WHERE link_id = p_link_id;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'PT410', MESSAGE = 'This link was used before: have the battery show a new one.';
    END IF;
    -- The app has seen the link in time; whoever then fills in the forms has an hour more to do so. What it can never
    -- have taken binds nothing here either: the cases of both are tests/cases/link_age.toml.
    IF p_issued_at > now() + interval '5 minutes' THEN
        RAISE EXCEPTION USING ERRCODE = 'PT410', MESSAGE =
            'Your battery''s clock is fast: connect the battery to the internet, wait five minutes, and have it show a new link.';
    ELSIF now() > p_expires_at + interval '1 hour' OR p_expires_at > p_issued_at + interval '15 minutes'
        OR p_expires_at <= p_issued_at OR num_nulls(p_issued_at, p_expires_at) > 0 THEN
        RAISE EXCEPTION USING ERRCODE = 'PT410', MESSAGE = 'This link is too old: have the battery show a new one.';
    END IF;
END
$$;
COMMENT ON FUNCTION fleet.refuse_link IS 'Raises PT409 or PT410 unless the link may bind the battery now.';

CREATE FUNCTION fleet.ask_to_commission(registration fleet.registrations, request_key text) RETURNS uuid
LANGUAGE sql SET search_path = ''
AS $$
    INSERT INTO fleet.flip_requests (kind, owner_id, site_id, thing_name, key, payload)
    VALUES ('commission', registration.owner_id, registration.site_id, registration.thing_name, request_key,
        jsonb_build_object('device', registration.device))
    ON CONFLICT (owner_id, key) DO UPDATE SET updated_at = now()
    RETURNING request_id
$$;

CREATE FUNCTION public.bind_device(
    p_app_credential text, p_thing_name text, p_certificate_id text, p_link_id text, p_issued_at timestamptz,
    p_expires_at timestamptz, p_site_id uuid, p_device jsonb DEFAULT '{}'
) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
    user_id uuid;
    registration fleet.registrations;
    already_yours boolean;
    request uuid;
BEGIN
    PERFORM fleet.require_app_credential(p_app_credential);
    user_id := fleet.require_user();
    -- The row is held until the end: of two who bind the same battery at once, the second sees what the first did.
    PERFORM FROM fleet.devices
    WHERE thing_name = p_thing_name AND step = 'done' AND certificate_id = p_certificate_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'PT404', MESSAGE =
            'This battery is not in service with this certificate: have it show a new link, or ask the installer.';
    END IF;
    PERFORM fleet.require_own_site(user_id, p_site_id);

    SELECT * INTO registration FROM fleet.registrations WHERE thing_name = p_thing_name AND owner_id = user_id;
    already_yours := FOUND;
    IF NOT already_yours THEN
        PERFORM fleet.refuse_link(p_thing_name, p_link_id, p_issued_at, p_expires_at);
        INSERT INTO fleet.used_links (link_id, thing_name, used_by, expires_at)
        VALUES (p_link_id, p_thing_name, user_id, p_expires_at);
        INSERT INTO fleet.registrations (thing_name, owner_id, site_id, certificate_id, registered_by, link_id,
            link_issued_at, link_expires_at, device, visible_from)
        SELECT p_thing_name, user_id, p_site_id, p_certificate_id, 'link', p_link_id, p_issued_at, p_expires_at,
            fleet.clean_device(coalesce(p_device, '{}')), coalesce(max(earlier.happened_at), '1970-01-01T00:00:00Z')
        FROM fleet.registration_events AS earlier
        WHERE earlier.thing_name = p_thing_name AND earlier.from_owner_id <> user_id -- what was another household's
        RETURNING * INTO registration;
        INSERT INTO fleet.registration_events (thing_name, kind, to_owner_id, actor_id, certificate_id, link_id)
        VALUES (p_thing_name, 'bound', user_id, user_id, p_certificate_id, p_link_id);
    ELSIF registration.site_id IS NULL THEN -- it came by a transfer; now its owner says where it stands
        UPDATE fleet.registrations SET site_id = p_site_id, device = fleet.clean_device(coalesce(p_device, '{}'))
        WHERE thing_name = p_thing_name RETURNING * INTO registration;
    END IF;

    IF registration.commission_status = 'pending' THEN
        request := fleet.ask_to_commission(
            registration, format('commission/%s/%s', p_thing_name, extract(epoch FROM registration.registered_at))
        );
    END IF;
    RETURN jsonb_build_object(
        'thing_name', p_thing_name, 'site_id', registration.site_id, 'already_yours', already_yours,
        'registered_at', registration.registered_at, 'commission_request_id', request
    );
END
$$;
COMMENT ON FUNCTION public.bind_device IS
    'Make a battery the caller''s: one transaction spends the link, writes who owns it, and asks Flip to commission it. '
    'Only with the web app''s credential. A battery that is the caller''s already stays as it is. Answers thing_name, '
    'site_id, already_yours, registered_at, commission_request_id (NULL once it is decided). '
    'PT401, PT403, PT404, PT409 (another account''s), PT410 (link used or too old), PT422.';

REVOKE ALL ON FUNCTION
    fleet.require_app_credential(text), fleet.clean_device(jsonb),
    fleet.refuse_link(text, text, timestamptz, timestamptz), fleet.ask_to_commission(fleet.registrations, text)
FROM PUBLIC;
REVOKE ALL ON FUNCTION
    public.bind_device(text, text, text, text, timestamptz, timestamptz, uuid, jsonb)
FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION
    public.bind_device(text, text, text, text, timestamptz, timestamptz, uuid, jsonb)
TO authenticated;

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
