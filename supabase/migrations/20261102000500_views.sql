-- What the app reads. `security_invoker`: a view shows what the caller's own policies show, and no more.

CREATE VIEW public.my_batteries WITH (security_invoker = true) AS
SELECT mine.thing_name, device.model, mine.site_id, mine.registered_at, mine.registered_by, mine.device,
    mine.commission_status::text AS commission_status, mine.commission_message, mine.commissioned_at,
    latest.received_at AS last_seen, latest.measured_at, latest.mode::text AS mode, latest.state_of_charge_pct,
    latest.backup_reserve_pct, latest.battery_charge_power_w, latest.battery_discharge_power_w, latest.home_power_w,
    latest.solar_power_w, latest.battery_stored_energy_wh, latest.battery_capacity_energy_wh, latest.grid_online,
    latest.clock_skew_s
FROM fleet.registrations AS mine
JOIN fleet.devices AS device USING (thing_name)
LEFT JOIN fleet.telemetry_latest AS latest
    ON latest.thing_name = mine.thing_name AND latest.received_at >= mine.visible_from
    AND latest.measured_at >= mine.visible_from
WHERE mine.owner_id = fleet.current_user_id(); -- an operator may see all, yet owns some
COMMENT ON VIEW public.my_batteries IS
    'The caller''s batteries with their latest state. W, Wh, percent; times UTC; clock_skew_s is received minus measured.';

CREATE VIEW public.my_sites WITH (security_invoker = true) AS
SELECT site_id, first_name, last_name, email, street_address, street_address2, city, state_code, zip_code,
    service_account_id, created_at, updated_at
FROM fleet.sites WHERE owner_id = fleet.current_user_id();
COMMENT ON VIEW public.my_sites IS 'The caller''s homes; save_site changes them.';

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

-- Supabase grants everything in `public` to everybody by default. These views could even be written through.
REVOKE ALL ON public.my_batteries, public.my_sites, public.my_flip_requests, public.my_enrollments, public.my_programs
FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT ON public.my_batteries, public.my_sites, public.my_flip_requests, public.my_enrollments, public.my_programs
TO authenticated;
