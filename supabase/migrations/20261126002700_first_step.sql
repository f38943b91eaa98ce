-- A registration that cannot succeed says so at its first step, and a battery without capacity or power is none.

CREATE OR REPLACE FUNCTION fleet.clean_device(document jsonb) RETURNS jsonb
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
        IF jsonb_typeof(document -> figure) <> 'number' OR (document ->> figure)::numeric <= 0
            OR (document ->> figure)::numeric > 1000000000 THEN
            RAISE EXCEPTION USING ERRCODE = 'PT422', MESSAGE = format('%s is no number above 0: correct it.', figure);
        END IF;
        cleaned := cleaned || jsonb_build_object(figure, document -> figure);
    END LOOP;
    RETURN jsonb_strip_nulls(cleaned);
END
$$;

CREATE FUNCTION public.may_bind(
    p_app_credential text, p_thing_name text, p_certificate_id text, p_link_id text, p_issued_at timestamptz,
    p_expires_at timestamptz
) RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
    user_id uuid;
BEGIN
    PERFORM fleet.require_app_credential(p_app_credential);
    user_id := fleet.require_user();
    PERFORM FROM fleet.devices WHERE thing_name = p_thing_name AND step = 'done' AND certificate_id = p_certificate_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'PT404', MESSAGE =
            'This battery is not in service with this certificate: have it show a new link, or ask the installer.';
    END IF;
    PERFORM FROM fleet.registrations WHERE thing_name = p_thing_name AND owner_id = user_id;
    IF NOT FOUND THEN
        PERFORM fleet.refuse_link(p_thing_name, p_link_id, p_issued_at, p_expires_at);
    END IF;
END
$$;
COMMENT ON FUNCTION public.may_bind IS
    'Raises what bind_device would refuse this link for, before anything is filled in; changes nothing. Only with the web '
    'app''s credential. PT401, PT403, PT404, PT409 (another account''s), PT410 (link used or too old).';

REVOKE ALL ON FUNCTION public.may_bind(text, text, text, text, timestamptz, timestamptz)
FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.may_bind(text, text, text, text, timestamptz, timestamptz) TO authenticated;
