-- A sample that comes again is known by the one that is stored, and by this once that is in the archive: so samples need
-- not stay in the database as long as a message may wait in the queue (14 days).

CREATE TABLE fleet.telemetry_known (
    thing_name text NOT NULL,
    first_measured_at timestamptz NOT NULL,
    last_measured_at timestamptz NOT NULL,
    first_sequence bigint NOT NULL,
    last_sequence bigint NOT NULL,
    jitter_ms integer NOT NULL,
    noted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (thing_name, first_measured_at, first_sequence)
);
CREATE INDEX telemetry_known_by_age ON fleet.telemetry_known (noted_at);
COMMENT ON TABLE fleet.telemetry_known IS
    'Runs of samples that left the database for the archive, of one hour (UTC) at most: sequences that followed one another '
    'in even steps of time. A sample is known whose sequence is in a run and whose time is where that sequence belongs, give '
    'or take jitter_ms. By its sequence alone it is not: a counter may begin anew.';
ALTER TABLE fleet.telemetry_known ENABLE ROW LEVEL SECURITY;
