-- What is wrong with the fleet now, as `watch-fleet` found it: so that people are told once that it began, and once that
-- it is over, and not at every look between.

CREATE TABLE fleet.alarms (
    kind text NOT NULL,
    subject text NOT NULL,
    detail text NOT NULL,
    since timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    told_at timestamptz,
    PRIMARY KEY (kind, subject)
);
COMMENT ON TABLE fleet.alarms IS 'A row for each thing that is wrong; it goes when the end was told.';
COMMENT ON COLUMN fleet.alarms.kind IS 'One of fleet/watching/kinds.py.';
COMMENT ON COLUMN fleet.alarms.seen_at IS 'When it was last found so: what was not for a while is over.';
COMMENT ON COLUMN fleet.alarms.told_at IS 'When people were last told; NULL: it may be over before it is worth that.';

CREATE TABLE fleet.alarm_notices (
    kind text PRIMARY KEY,
    told_at timestamptz NOT NULL
);
COMMENT ON TABLE fleet.alarm_notices IS 'When people were last told anything of a kind.';

-- Nobody's business but the flows', which own the schema.
ALTER TABLE fleet.alarms ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.alarm_notices ENABLE ROW LEVEL SECURITY;
