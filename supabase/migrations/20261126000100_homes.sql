-- Homes: the table, who reads it, and the one function that writes it, under its caller's own rights and policies.

CREATE FUNCTION fleet.is_state_code(code text) RETURNS boolean
LANGUAGE sql IMMUTABLE
AS $$
    SELECT code = ANY (
        '{AL,AK,AZ,AR,CA,CO,CT,DE,DC,FL,GA,HI,ID,IL,IN,IA,KS,KY,LA,ME,MD,MA,MI,MN,MS,MO,MT,NE,NV,NH,NJ,NM,NY,NC,ND,OH,'
        'OK,OR,PA,RI,SC,SD,TN,TX,UT,VT,VA,WA,WV,WI,WY}'::text[]
    )
$$;
COMMENT ON FUNCTION fleet.is_state_code IS 'Whether it is one of the 50 US states or DC, two capital letters.';

CREATE TABLE fleet.sites (
    site_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    owner_id uuid NOT NULL,
    first_name text,
    last_name text,
    email text,
    street_address text,
    street_address2 text,
    city text,
    state_code text NOT NULL CHECK (fleet.is_state_code(state_code)),
    zip_code text NOT NULL CHECK (zip_code ~ '^[0-9]{5}(-[0-9]{4})?$'),
    service_account_id text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK (greatest(length(first_name), length(last_name), length(email), length(street_address),
                    length(street_address2), length(city), length(service_account_id)) <= 200)
);
COMMENT ON TABLE fleet.sites IS 'Homes. `site_id` is the site''s id at Flip too; `owner_id` is the account (auth.users).';
COMMENT ON COLUMN fleet.sites.service_account_id IS 'The customer''s account number at the utility.';
CREATE INDEX sites_owner ON fleet.sites (owner_id);

ALTER TABLE fleet.sites ENABLE ROW LEVEL SECURITY;

-- The owner's alone: an operator has no business with addresses. Here and in all policies, subqueries in parentheses are
-- evaluated once a statement instead of once a row.
GRANT SELECT, INSERT, UPDATE ON fleet.sites TO authenticated;
CREATE POLICY owner_reads ON fleet.sites FOR SELECT TO authenticated
    USING (owner_id = (SELECT fleet.current_user_id()));
CREATE POLICY owner_adds ON fleet.sites FOR INSERT TO authenticated
    WITH CHECK (owner_id = (SELECT fleet.current_user_id()));
CREATE POLICY owner_changes ON fleet.sites FOR UPDATE TO authenticated
    USING (owner_id = (SELECT fleet.current_user_id()))
    WITH CHECK (owner_id = (SELECT fleet.current_user_id()));

CREATE VIEW public.my_sites WITH (security_invoker = true) AS
SELECT site_id, first_name, last_name, email, street_address, street_address2, city, state_code, zip_code,
    service_account_id, created_at, updated_at
FROM fleet.sites WHERE owner_id = fleet.current_user_id();
COMMENT ON VIEW public.my_sites IS 'The caller''s homes; save_site changes them.';

-- Supabase grants everything in `public` to everybody by default. A view could even be written through.
REVOKE ALL ON public.my_sites FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT ON public.my_sites TO authenticated;

CREATE FUNCTION fleet.require_own_site(p_owner_id uuid, p_site_id uuid) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = ''
AS $$
BEGIN
    PERFORM FROM fleet.sites WHERE site_id = p_site_id AND owner_id = p_owner_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'PT404', MESSAGE = 'This home is not one of yours: choose one of your homes.';
    END IF;
END
$$;

CREATE FUNCTION fleet.clean_text(document jsonb, allowed text[]) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE SET search_path = ''
AS $$
DECLARE
    field record;
    cleaned jsonb := '{}';
BEGIN
    IF jsonb_typeof(document) IS DISTINCT FROM 'object' THEN
        RAISE EXCEPTION USING ERRCODE = 'PT422', MESSAGE = 'This is no form: send its fields as one object.';
    END IF;
    FOR field IN SELECT key, value FROM jsonb_each(document) LOOP
        IF field.key <> ALL (allowed) THEN
            RAISE EXCEPTION USING ERRCODE = 'PT422', MESSAGE = format('There is no field %s: leave it out.', left(field.key, 40));
        ELSIF jsonb_typeof(field.value) NOT IN ('string', 'null') THEN
            RAISE EXCEPTION USING ERRCODE = 'PT422', MESSAGE = format('%s is no text: write it out.', field.key);
        ELSIF length(field.value #>> '{}') > 200 THEN
            RAISE EXCEPTION USING ERRCODE = 'PT422', MESSAGE = format('%s is longer than 200 characters: shorten it.', field.key);
        ELSIF field.value #>> '{}' ~ '[\x01-\x1f\x7f]' THEN
            RAISE EXCEPTION USING ERRCODE = 'PT422', MESSAGE = format('%s holds a line break or another control character: remove it.', field.key);
        END IF;
        cleaned := cleaned || jsonb_build_object(field.key, nullif(btrim(field.value #>> '{}'), ''));
    END LOOP;
    RETURN cleaned;
END
$$;
COMMENT ON FUNCTION fleet.clean_text IS 'The fields of a form, trimmed, empty ones NULL; PT422 names what cannot be used.';

CREATE FUNCTION public.save_site(p_site_id uuid, p_site jsonb) RETURNS uuid
LANGUAGE plpgsql SET search_path = ''
AS $$
DECLARE
    user_id uuid := fleet.require_user();
    site fleet.sites;
    given jsonb := fleet.clean_text(p_site, ARRAY[
        'first_name', 'last_name', 'email', 'street_address', 'street_address2', 'city', 'state_code', 'zip_code',
        'service_account_id'
    ]);
BEGIN
    SELECT * INTO site FROM fleet.sites WHERE site_id = p_site_id AND owner_id = user_id FOR UPDATE;
    site := jsonb_populate_record(site, given);
    site.state_code := upper(site.state_code);
    IF NOT coalesce(fleet.is_state_code(site.state_code), false) THEN
        RAISE EXCEPTION USING ERRCODE = 'PT422', MESSAGE = 'state_code is no US state: use its two letters, such as CA.';
    ELSIF NOT coalesce(site.zip_code ~ '^[0-9]{5}(-[0-9]{4})?$', false) THEN
        RAISE EXCEPTION USING ERRCODE = 'PT422', MESSAGE = 'zip_code is no US zip code: use five digits, such as 94110.';
    ELSIF site.email IS NOT NULL AND site.email !~ '^[^@[:space:]]+@[^@[:space:]]+\.[^@[:space:]]+$' THEN
        RAISE EXCEPTION USING ERRCODE = 'PT422', MESSAGE = 'email is no mail address: it looks like name@example.com.';
    END IF;

    IF site.site_id IS NOT NULL THEN
        UPDATE fleet.sites SET (first_name, last_name, email, street_address, street_address2, city, state_code,
            zip_code, service_account_id, updated_at) = (site.first_name, site.last_name, site.email,
            site.street_address, site.street_address2, site.city, site.state_code, site.zip_code,
            site.service_account_id, now())
        WHERE site_id = site.site_id;
        RETURN site.site_id;
    END IF;

    IF (SELECT count(*) FROM fleet.sites WHERE owner_id = user_id) >= 50 THEN
        RAISE EXCEPTION USING ERRCODE = 'PT409', MESSAGE = 'An account can have 50 homes: change one of them instead.';
    END IF;
    INSERT INTO fleet.sites (site_id, owner_id, first_name, last_name, email, street_address, street_address2, city,
        state_code, zip_code, service_account_id)
    VALUES (coalesce(p_site_id, gen_random_uuid()), user_id, site.first_name, site.last_name, site.email,
        site.street_address, site.street_address2, site.city, site.state_code, site.zip_code, site.service_account_id)
    RETURNING site_id INTO site.site_id;
    RETURN site.site_id;
EXCEPTION WHEN unique_violation THEN
    -- The id is another account's. Nobody learns more about it than that it is not theirs.
    RAISE EXCEPTION USING ERRCODE = 'PT404', MESSAGE = 'This home is not one of yours: choose one of your homes.';
END
$$;
COMMENT ON FUNCTION public.save_site IS
    'Change the fields given of one of the caller''s homes; NULL or a new id makes one. A form that brings its own new '
    'id makes one home however often it is sent.';

REVOKE ALL ON FUNCTION
    fleet.is_state_code(text), fleet.require_own_site(uuid, uuid), fleet.clean_text(jsonb, text[])
FROM PUBLIC;
REVOKE ALL ON FUNCTION public.save_site(uuid, jsonb) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION
    fleet.is_state_code(text), fleet.clean_text(jsonb, text[]), public.save_site(uuid, jsonb)
TO authenticated;
