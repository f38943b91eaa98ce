-- What homeowners want of Flip, what Flip said, and how far each battery's telemetry was sent to it.
--
-- The web app has no token of Flip's: it asks through `request_flip`, a flow does the work and answers in the row.

CREATE TABLE fleet.flip_requests (
    request_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    kind text NOT NULL CHECK (
        kind IN ('commission', 'programs', 'enroll', 'unenroll', 'update_site', 'change_event')
    ),
    owner_id uuid NOT NULL,
    site_id uuid REFERENCES fleet.sites,
    thing_name text REFERENCES fleet.devices,
    key text NOT NULL CHECK (length(key) BETWEEN 1 AND 300),
    payload jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(payload) = 'object'),
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'running', 'succeeded', 'failed')),
    answer jsonb,
    message text,
    problem_fields jsonb,
    attempts integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    -- A key is its account's own: nobody can take a key that another account is going to use.
    UNIQUE (owner_id, key),
    CHECK ((finished_at IS NOT NULL) = (status IN ('succeeded', 'failed')))
);
COMMENT ON TABLE fleet.flip_requests IS 'The outbox to Flip: one row a wish, and what became of it.';
COMMENT ON COLUMN fleet.flip_requests.key IS 'Names the wish: the same key again is the same request, not a second one.';
COMMENT ON COLUMN fleet.flip_requests.message IS 'One sentence for the homeowner: what happened, or what to do.';
COMMENT ON COLUMN fleet.flip_requests.problem_fields IS 'What Flip could not use: [{"name": ..., "problem": ...}].';
COMMENT ON COLUMN fleet.flip_requests.next_attempt_at IS 'A pending request is not worked on before this.';
CREATE INDEX flip_requests_waiting ON fleet.flip_requests (created_at) WHERE status IN ('pending', 'running');
CREATE INDEX flip_requests_owner ON fleet.flip_requests (owner_id, created_at);

CREATE FUNCTION fleet.announce_flip_request() RETURNS trigger
LANGUAGE plpgsql SET search_path = ''
AS $$
BEGIN
    PERFORM pg_notify('flip_requests', NEW.request_id::text);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION fleet.announce_flip_request IS 'Wakes the flow that waits by LISTEN flip_requests.';
CREATE TRIGGER announce AFTER INSERT OR UPDATE OF status ON fleet.flip_requests
FOR EACH ROW WHEN (NEW.status = 'pending') EXECUTE FUNCTION fleet.announce_flip_request();
REVOKE ALL ON FUNCTION fleet.announce_flip_request() FROM PUBLIC;

CREATE TABLE fleet.enrollments (
    enrollment_id text PRIMARY KEY,
    site_id uuid NOT NULL REFERENCES fleet.sites,
    program_id text NOT NULL,
    program_name text,
    thing_names text[] NOT NULL DEFAULT '{}',
    status text NOT NULL,
    status_reason text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE fleet.enrollments IS 'Flip''s enrollments as last heard; `status` is Flip''s word and may be a new one.';
CREATE INDEX enrollments_site ON fleet.enrollments (site_id);

CREATE TABLE fleet.site_programs (
    site_id uuid PRIMARY KEY REFERENCES fleet.sites,
    programs jsonb NOT NULL CHECK (jsonb_typeof(programs) = 'array'),
    fetched_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE fleet.site_programs IS 'What Flip last said a site may join.';

CREATE TABLE fleet.flip_events (
    event_id text PRIMARY KEY,
    site_id uuid REFERENCES fleet.sites,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz,
    status text NOT NULL,
    is_participating boolean NOT NULL,
    schedule jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(schedule) = 'array'),
    device_settings jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(device_settings) = 'array'),
    heard_at timestamptz NOT NULL,
    flip_updated_at timestamptz NOT NULL
);
COMMENT ON TABLE fleet.flip_events IS 'A utility''s events, one a home, as last heard; `status` is Flip''s word and may be a new one.';
COMMENT ON COLUMN fleet.flip_events.flip_updated_at IS 'Flip''s clock when it said so: an older word never replaces a newer one.';
CREATE INDEX flip_events_site ON fleet.flip_events (site_id, starts_at);

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

ALTER TABLE fleet.flip_requests ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.enrollments ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.site_programs ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.flip_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.forwarding ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.forwarding_failures ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.forwarding_late ENABLE ROW LEVEL SECURITY;

GRANT SELECT ON fleet.flip_requests TO authenticated;
CREATE POLICY owner_reads ON fleet.flip_requests FOR SELECT TO authenticated
    USING (owner_id = (SELECT fleet.current_user_id()));

GRANT SELECT ON fleet.enrollments, fleet.site_programs TO authenticated;
CREATE POLICY owner_reads ON fleet.enrollments FOR SELECT TO authenticated
    USING (site_id IN (SELECT mine.site_id FROM fleet.sites AS mine));
CREATE POLICY owner_reads ON fleet.site_programs FOR SELECT TO authenticated
    USING (site_id IN (SELECT mine.site_id FROM fleet.sites AS mine));

-- A household sees events from the moment on that the battery is theirs, by when they came here: Flip's and our clock.
GRANT SELECT (event_id, site_id, starts_at, ends_at, status, is_participating, schedule, device_settings, heard_at)
ON fleet.flip_events TO authenticated;
CREATE POLICY owner_reads ON fleet.flip_events FOR SELECT TO authenticated
    USING (EXISTS (
        SELECT FROM fleet.registrations AS mine
        WHERE mine.site_id = flip_events.site_id AND mine.owner_id = (SELECT fleet.current_user_id())
          AND flip_events.heard_at >= mine.visible_from
    ));

CREATE VIEW public.my_flip_requests WITH (security_invoker = true) AS
SELECT request_id, kind, site_id, thing_name, key, payload, status, answer, message, problem_fields, attempts,
    created_at, updated_at, finished_at
FROM fleet.flip_requests WHERE owner_id = fleet.current_user_id();
COMMENT ON VIEW public.my_flip_requests IS 'What the caller asked of Flip and what became of it.';

CREATE VIEW public.my_enrollments WITH (security_invoker = true) AS
SELECT enrollment_id, site_id, program_id, program_name, thing_names, status, status_reason, created_at, updated_at
FROM fleet.enrollments;
COMMENT ON VIEW public.my_enrollments IS 'The programs that the caller''s homes take part in, or asked to.';

CREATE VIEW public.my_programs WITH (security_invoker = true) AS
SELECT site_id, programs, fetched_at FROM fleet.site_programs;
COMMENT ON VIEW public.my_programs IS 'What each of the caller''s homes may join, as Flip last said; a JSON array.';

CREATE VIEW public.my_events WITH (security_invoker = true) AS
SELECT event_id, site_id, starts_at, ends_at, status, is_participating, schedule, device_settings, heard_at
FROM fleet.flip_events;
COMMENT ON VIEW public.my_events IS
    'The utility''s events at the caller''s homes, as Flip last said; schedule and device_settings in Flip''s own names. '
    'request_flip, change_event changes one.';

REVOKE ALL ON public.my_flip_requests, public.my_enrollments, public.my_programs, public.my_events
FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT ON public.my_flip_requests, public.my_enrollments, public.my_programs, public.my_events TO authenticated;
