-- What homeowners want of Flip, on its way there, and what Flip said.
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
    -- A key is its account's own: nobody can take a key that another account is going to use.
    UNIQUE (owner_id, key),
    CHECK ((finished_at IS NOT NULL) = (status IN ('succeeded', 'failed')))
);
COMMENT ON TABLE fleet.flip_requests IS 'The outbox to Flip: one row a wish, and what became of it.';
COMMENT ON COLUMN fleet.flip_requests.key IS 'Names the wish: the same key again is the same request, not a second one.';
COMMENT ON COLUMN fleet.flip_requests.message IS 'One sentence for the homeowner: what happened, or what to do.';
COMMENT ON COLUMN fleet.flip_requests.problem_fields IS 'What Flip could not use: [{"name": ..., "problem": ...}].';
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

ALTER TABLE fleet.flip_requests ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.enrollments ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.site_programs ENABLE ROW LEVEL SECURITY;
REVOKE ALL ON FUNCTION fleet.announce_flip_request() FROM PUBLIC;
