-- What a household calls its battery; whoever has it next begins without.

ALTER TABLE fleet.registrations ADD COLUMN own_name text CHECK (length(own_name) BETWEEN 1 AND 60);
COMMENT ON COLUMN fleet.registrations.own_name IS 'What the household calls it; NULL: by its thing name.';

CREATE FUNCTION fleet.forget_own_name() RETURNS trigger
LANGUAGE plpgsql SET search_path = ''
AS $$
BEGIN
    NEW.own_name := NULL;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION fleet.forget_own_name IS 'A battery that changes hands has no name of its own any more.';
REVOKE ALL ON FUNCTION fleet.forget_own_name() FROM PUBLIC;
CREATE TRIGGER forget_own_name_when_transferred BEFORE UPDATE OF owner_id ON fleet.registrations
    FOR EACH ROW WHEN (OLD.owner_id IS DISTINCT FROM NEW.owner_id) EXECUTE FUNCTION fleet.forget_own_name();

CREATE OR REPLACE VIEW public.my_batteries WITH (security_invoker = true) AS
SELECT mine.thing_name, device.model, mine.site_id, mine.registered_at, mine.registered_by, mine.device,
    mine.commission_status::text AS commission_status, mine.commission_message, mine.commissioned_at,
    latest.received_at AS last_seen, latest.measured_at, latest.mode::text AS mode, latest.state_of_charge_pct,
    latest.backup_reserve_pct, latest.battery_charge_power_w, latest.battery_discharge_power_w, latest.home_power_w,
    latest.solar_power_w, latest.battery_stored_energy_wh, latest.battery_capacity_energy_wh, latest.grid_online,
    latest.clock_skew_s, mine.own_name
FROM fleet.registrations AS mine
JOIN fleet.devices AS device USING (thing_name)
LEFT JOIN fleet.telemetry_latest AS latest
    ON latest.thing_name = mine.thing_name AND latest.received_at >= mine.visible_from
    AND latest.measured_at >= mine.visible_from
WHERE mine.owner_id = fleet.current_user_id(); -- an operator may see all, yet owns some

CREATE FUNCTION public.name_battery(p_thing_name text, p_name text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' SET jit = off
AS $$
DECLARE
    user_id uuid := fleet.require_user();
    given text := fleet.clean_text(jsonb_build_object('name', p_name), ARRAY['name']) ->> 'name';
BEGIN
    IF length(given) > 60 THEN
        RAISE EXCEPTION USING ERRCODE = 'PT422', MESSAGE = 'The name is longer than 60 characters: shorten it.';
    END IF;
    UPDATE fleet.registrations SET own_name = given WHERE thing_name = p_thing_name AND owner_id = user_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'PT404', MESSAGE = 'No such battery is registered to you.';
    END IF;
END
$$;
COMMENT ON FUNCTION public.name_battery IS
    'Gives a battery of the caller''s a name of their own, trimmed; an empty one takes it back. PT404, PT422.';
REVOKE ALL ON FUNCTION public.name_battery(text, text) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.name_battery(text, text) TO authenticated;
