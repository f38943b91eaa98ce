-- How far each battery's telemetry has been sent to Flip, in intervals of 5 minutes (UTC).

CREATE TABLE fleet.forwarding (
    thing_name text PRIMARY KEY REFERENCES fleet.devices,
    since timestamptz NOT NULL,
    forwarded_until timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK (forwarded_until >= since)
);
COMMENT ON TABLE fleet.forwarding IS 'One row a battery that is bound and known to Flip.';
COMMENT ON COLUMN fleet.forwarding.since IS 'The first whole interval after the owner registered it; nothing earlier is sent.';
COMMENT ON COLUMN fleet.forwarding.forwarded_until IS
    'Every interval before this was sent; those that Flip did not take are in fleet.forwarding_failures.';

CREATE TABLE fleet.forwarding_failures (
    thing_name text NOT NULL REFERENCES fleet.forwarding ON DELETE CASCADE,
    start_time timestamptz NOT NULL,
    reason text NOT NULL,
    attempts integer NOT NULL DEFAULT 1,
    next_attempt_at timestamptz,
    failed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (thing_name, start_time)
);
COMMENT ON TABLE fleet.forwarding_failures IS 'Intervals that Flip did not take: they are sent again by themselves.';
COMMENT ON COLUMN fleet.forwarding_failures.next_attempt_at IS 'NULL: given up; a late sample or an operator revives it.';
CREATE INDEX forwarding_failures_due ON fleet.forwarding_failures (next_attempt_at) WHERE next_attempt_at IS NOT NULL;

CREATE TABLE fleet.forwarding_late (
    thing_name text NOT NULL,
    start_time timestamptz NOT NULL,
    marked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (thing_name, start_time)
);
COMMENT ON TABLE fleet.forwarding_late IS
    'Intervals whose rollups changed when they were closed: sent anew if they were sent before.';

ALTER TABLE fleet.forwarding ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.forwarding_failures ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.forwarding_late ENABLE ROW LEVEL SECURITY;

-- The outbox: when a request that Flip did not take is due again.
ALTER TABLE fleet.flip_requests ADD COLUMN next_attempt_at timestamptz NOT NULL DEFAULT now();
COMMENT ON COLUMN fleet.flip_requests.next_attempt_at IS 'A pending request is not worked on before this.';
