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
    'Intervals that got a sample when they were closed or about to be: sent anew if they were sent before.';

-- Written in the transaction that stores the sample, so that no late sample is missed. It fires a minute before an
-- interval may be closed (5 minutes after its end): a sample that is being stored while the interval is read is
-- either seen by that reading or marked here. A day of 1970 is cut off, since nothing is sent from then.
CREATE FUNCTION fleet.mark_late_intervals() RETURNS trigger
LANGUAGE plpgsql
SET search_path = ''
AS $$
BEGIN
    INSERT INTO fleet.forwarding_late AS late (thing_name, start_time)
    WITH came AS (
        SELECT thing_name, measured_at FROM stored
        WHERE measured_at < date_bin('5 minutes', clock_timestamp() - interval '4 minutes', 'epoch')
            AND measured_at > clock_timestamp() - interval '60 days'
    ), touched AS (
        SELECT thing_name, measured_at FROM came
        UNION ALL
        -- An interval's energy begins at the sample before it: the next sample's interval changes with a late one.
        SELECT last.thing_name, next.measured_at
        FROM (SELECT thing_name, max(measured_at) AS measured_at FROM came
              GROUP BY thing_name, date_bin('5 minutes', measured_at, 'epoch')) AS last
        CROSS JOIN LATERAL (
            SELECT later.measured_at FROM fleet.telemetry AS later
            WHERE later.thing_name = last.thing_name AND later.measured_at > last.measured_at
                AND later.measured_at <= last.measured_at + interval '1 hour'
            ORDER BY later.measured_at LIMIT 1
        ) AS next
    )
    SELECT DISTINCT touched.thing_name, date_bin('5 minutes', touched.measured_at, 'epoch')
    FROM touched
    WHERE touched.measured_at < date_bin('5 minutes', clock_timestamp() - interval '4 minutes', 'epoch')
    ORDER BY 1, 2
    ON CONFLICT (thing_name, start_time) DO UPDATE SET marked_at = excluded.marked_at;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION fleet.mark_late_intervals IS 'Marks the closed intervals that the stored samples belong to.';

CREATE TRIGGER mark_late_intervals AFTER INSERT ON fleet.telemetry
REFERENCING NEW TABLE AS stored
FOR EACH STATEMENT EXECUTE FUNCTION fleet.mark_late_intervals();

REVOKE ALL ON FUNCTION fleet.mark_late_intervals() FROM PUBLIC;

ALTER TABLE fleet.forwarding ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.forwarding_failures ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.forwarding_late ENABLE ROW LEVEL SECURITY;

-- The outbox: when a request that Flip did not take is due again.
ALTER TABLE fleet.flip_requests ADD COLUMN next_attempt_at timestamptz NOT NULL DEFAULT now();
COMMENT ON COLUMN fleet.flip_requests.next_attempt_at IS 'A pending request is not worked on before this.';
