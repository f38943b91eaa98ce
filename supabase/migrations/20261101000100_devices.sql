-- The provisioning ledger: one row a device, with the step it has reached.

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

ALTER TABLE fleet.devices ENABLE ROW LEVEL SECURITY;
