-- The keys `repair/...` are the fleet's own: under them reconcile_flip asks for a battery that Flip lost.
--
-- A homeowner may take up such a request again after it failed, for the same battery; a key that was theirs before the
-- fleet came to use it would have stood in the way of the repair.

CREATE OR REPLACE FUNCTION public.request_flip(
    p_kind text, p_key text, p_site_id uuid DEFAULT NULL, p_thing_name text DEFAULT NULL, p_payload jsonb DEFAULT '{}'
) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
    user_id uuid := fleet.require_user();
    registration fleet.registrations;
    request fleet.flip_requests;
    the_site_id uuid := p_site_id;
BEGIN
    PERFORM fleet.check_flip_request(user_id, p_kind, p_site_id, p_thing_name, p_payload);
    IF coalesce(length(p_key), 0) NOT BETWEEN 1 AND 300 THEN
        RAISE EXCEPTION USING ERRCODE = 'PT422', MESSAGE = 'The request has no key, or a too long one.';
    END IF;
    -- One account's wishes come in one after the other, so that the same one twice at once is one.
    PERFORM pg_advisory_xact_lock(hashtextextended('fleet.flip_requests/' || user_id, 0));
    IF p_kind = 'commission' THEN
        registration := fleet.place_device(user_id, p_site_id, p_thing_name, p_payload -> 'device');
        the_site_id := registration.site_id;
        SELECT * INTO request FROM fleet.flip_requests WHERE owner_id = user_id AND kind = 'commission'
            AND thing_name = p_thing_name AND status IN ('pending', 'running');
    END IF;
    IF request.request_id IS NULL THEN
        SELECT * INTO request FROM fleet.flip_requests WHERE owner_id = user_id AND key = p_key FOR UPDATE;
    END IF;
    IF request.kind <> p_kind THEN
        RAISE EXCEPTION USING ERRCODE = 'PT409', MESSAGE = 'This key belongs to another request of yours: choose a new one.';
    ELSIF p_key LIKE 'repair/%' AND (request.request_id IS NULL OR request.thing_name IS DISTINCT FROM p_thing_name) THEN
        RAISE EXCEPTION USING ERRCODE = 'PT422', MESSAGE = 'Keys that begin with repair/ are the fleet''s own: choose another.';
    -- Done is done, unless a battery that was commissioned then has to be again: it was released, or Flip lost it.
    ELSIF request.status IN ('pending', 'running')
        OR (request.status = 'succeeded' AND registration.commission_status IS DISTINCT FROM 'pending') THEN
        RETURN request.request_id;
    END IF;
    PERFORM fleet.refuse_flood(user_id);
    INSERT INTO fleet.flip_requests (kind, owner_id, site_id, thing_name, key, payload)
    VALUES (p_kind, user_id, the_site_id, p_thing_name, p_key, p_payload)
    ON CONFLICT (owner_id, key) DO UPDATE SET status = 'pending', site_id = excluded.site_id,
        thing_name = excluded.thing_name, payload = excluded.payload, answer = NULL, message = NULL,
        problem_fields = NULL, attempts = 0, finished_at = NULL, updated_at = now()
    RETURNING * INTO request;
    RETURN request.request_id;
END
$$;
