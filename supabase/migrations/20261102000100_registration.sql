-- Homes, whose battery is whose, and how it came to be.

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

CREATE TYPE fleet.commission_status AS ENUM ('pending', 'commissioned', 'failed');

CREATE TABLE fleet.registrations (
    thing_name text PRIMARY KEY REFERENCES fleet.devices,
    owner_id uuid NOT NULL,
    site_id uuid REFERENCES fleet.sites,
    certificate_id text NOT NULL,
    registered_by text NOT NULL CHECK (registered_by IN ('link', 'transfer')),
    registered_at timestamptz NOT NULL DEFAULT now(),
    link_id text,
    link_issued_at timestamptz,
    link_expires_at timestamptz,
    visible_from timestamptz NOT NULL DEFAULT '1970-01-01T00:00:00Z',
    device jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(device) = 'object'),
    commission_status fleet.commission_status NOT NULL DEFAULT 'pending',
    commission_message text,
    commissioned_at timestamptz,
    CHECK ((registered_by = 'link') = (link_id IS NOT NULL))
);
COMMENT ON TABLE fleet.registrations IS 'Whose battery it is now. A battery without a row belongs to nobody.';
COMMENT ON COLUMN fleet.registrations.site_id IS 'NULL after a transfer, until the new owner says where it stands.';
COMMENT ON COLUMN fleet.registrations.certificate_id IS 'The certificate that the ledger held when it was registered.';
COMMENT ON COLUMN fleet.registrations.visible_from IS
    'The owner sees telemetry measured from here on: what came before was another household''s.';
COMMENT ON COLUMN fleet.registrations.device IS
    'What the owner said of it: manufacturer_name, product_name, serial_number, install_date (ISO 8601), '
    'battery_capacity_wh, battery_power_input_w, battery_power_output_w.';
CREATE INDEX registrations_owner ON fleet.registrations (owner_id);

CREATE TABLE fleet.used_links (
    link_id text PRIMARY KEY CHECK (length(link_id) BETWEEN 16 AND 128),
    thing_name text NOT NULL,
    used_by uuid NOT NULL,
    used_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
COMMENT ON TABLE fleet.used_links IS 'Registration links that bound a battery: each does so once.';

CREATE TABLE fleet.registration_events (
    event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    thing_name text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('bound', 'released', 'transferred')),
    from_owner_id uuid,
    to_owner_id uuid,
    actor_id uuid NOT NULL,
    certificate_id text NOT NULL,
    link_id text,
    happened_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE fleet.registration_events IS 'Every change of hands, never changed or deleted.';
COMMENT ON COLUMN fleet.registration_events.actor_id IS 'Who did it: the owner, or an operator.';
CREATE INDEX registration_events_thing ON fleet.registration_events (thing_name, event_id);

CREATE TABLE fleet.app_credentials (
    credential_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL,
    secret_sha256 bytea NOT NULL UNIQUE CHECK (length(secret_sha256) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);
COMMENT ON TABLE fleet.app_credentials IS
    'What lets the web app bind a battery whose link it has verified. 256 random bits each, so a plain hash will do.';

ALTER TABLE fleet.sites ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.registrations ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.used_links ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.registration_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.app_credentials ENABLE ROW LEVEL SECURITY;

REVOKE ALL ON FUNCTION fleet.is_state_code(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION fleet.is_state_code(text) TO authenticated;
