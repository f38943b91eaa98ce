-- The provisioning ledger, one row a device with the step it has reached; whose battery it is, and how it came to be.

CREATE TYPE fleet.provisioning_step AS ENUM (
    'planned',                -- named, nothing made yet
    'certificate_requested',  -- journalled before the call: a certificate may exist that nobody wrote down
    'certificate_created',    -- the certificate's id is known
    'registered',             -- thing, group, policy and attachment are in place
    'done',                   -- the artifact folder is whole
    'retiring',               -- journalled before the first deletion: certificate and thing may be gone already
    'retired'                 -- taken out of service; its name is free to be provisioned anew
);

CREATE TABLE fleet.devices (
    thing_name text PRIMARY KEY CHECK (thing_name ~ '^[a-zA-Z0-9_-]{1,128}$'),
    model text NOT NULL,
    key_on_device boolean NOT NULL,
    public_key_sha256 text,
    step fleet.provisioning_step NOT NULL DEFAULT 'planned',
    certificate_requested_at timestamptz,
    certificate_id text UNIQUE,
    certificate_arn text,
    failure text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    provisioned_at timestamptz,
    CHECK (step < 'certificate_created' OR step >= 'retiring' OR certificate_id IS NOT NULL),
    CHECK (step < 'certificate_requested' OR step >= 'retiring' OR certificate_requested_at IS NOT NULL)
);
COMMENT ON TABLE fleet.devices IS 'Provisioning ledger: one row a device. Keys are never here.';
COMMENT ON COLUMN fleet.devices.public_key_sha256 IS 'SHA-256 of the public key (SubjectPublicKeyInfo, DER), hex.';
COMMENT ON COLUMN fleet.devices.failure IS 'Why the last attempt stopped; NULL once it went on.';

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
    kind text NOT NULL CHECK (kind IN ('bound', 'released', 'transferred', 'retired')),
    from_owner_id uuid,
    to_owner_id uuid,
    actor_id uuid,
    certificate_id text NOT NULL,
    link_id text,
    happened_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT registration_events_actor_check CHECK (actor_id IS NOT NULL OR kind = 'retired')
);
COMMENT ON TABLE fleet.registration_events IS 'Every change of hands, never changed or deleted.';
COMMENT ON COLUMN fleet.registration_events.actor_id IS
    'Who did it: the owner, or an operator; NULL for a retirement, which the factory''s flow does and no account.';
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

ALTER TABLE fleet.devices ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.registrations ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.used_links ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.registration_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.app_credentials ENABLE ROW LEVEL SECURITY;

-- `authenticated` gets these columns of these tables and no others, and writes none.
GRANT SELECT ON fleet.registrations TO authenticated;
CREATE POLICY owner_or_operator_reads ON fleet.registrations FOR SELECT TO authenticated
    USING (owner_id = (SELECT fleet.current_user_id()) OR (SELECT fleet.is_operator()));

GRANT SELECT ON fleet.registration_events TO authenticated;
CREATE POLICY party_or_operator_reads ON fleet.registration_events FOR SELECT TO authenticated
    USING ((SELECT fleet.current_user_id()) IN (from_owner_id, to_owner_id) OR (SELECT fleet.is_operator()));

GRANT SELECT (thing_name, model, step, certificate_id, public_key_sha256, provisioned_at) ON fleet.devices
TO authenticated;
CREATE POLICY owner_or_operator_reads ON fleet.devices FOR SELECT TO authenticated
    USING (
        (SELECT fleet.is_operator()) OR EXISTS (
            SELECT FROM fleet.registrations AS mine
            WHERE mine.thing_name = devices.thing_name AND mine.owner_id = (SELECT fleet.current_user_id())
        )
    );
