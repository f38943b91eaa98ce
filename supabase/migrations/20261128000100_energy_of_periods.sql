-- Energy by hour, day and month, out of the hours that are kept for two years.

CREATE FUNCTION fleet.energy_hours(p_thing_name text, p_from timestamptz, p_to timestamptz)
RETURNS TABLE (
    bucket_start timestamptz, charged_wh double precision, discharged_wh double precision, home_wh double precision,
    solar_wh double precision
)
LANGUAGE plpgsql STABLE SET search_path = ''
AS $$
#variable_conflict use_column
DECLARE
    -- With the counters before it; looked for first, so that the index serves what follows.
    since timestamptz := coalesce(
        (SELECT earlier.bucket_start FROM fleet.telemetry_1h AS earlier
         WHERE earlier.thing_name = p_thing_name AND earlier.bucket_start < p_from
         ORDER BY earlier.bucket_start DESC LIMIT 1),
        p_from
    );
    is_new CONSTANT boolean := NOT EXISTS (SELECT FROM fleet.telemetry_1h WHERE thing_name = p_thing_name);
BEGIN
    RETURN QUERY
    WITH hours AS (
        SELECT part.bucket_start, battery_charge_power_sum_w / samples AS charged_w,
            battery_discharge_power_sum_w / samples AS discharged_w, home_power_sum_w / samples AS home_w,
            solar_power_sum_w / samples AS solar_w, first_battery_charged_energy_wh AS first_charged_wh,
            first_battery_discharged_energy_wh AS first_discharged_wh, first_home_energy_wh AS first_home_wh,
            first_solar_energy_wh AS first_solar_wh, last_battery_charged_energy_wh AS last_charged_wh,
            last_battery_discharged_energy_wh AS last_discharged_wh, last_home_energy_wh AS last_home_wh,
            last_solar_energy_wh AS last_solar_wh
        FROM fleet.telemetry_1h AS part
        WHERE part.thing_name = p_thing_name AND part.bucket_start < p_to
            AND part.bucket_start >= since
        UNION ALL -- the running hour, which is rolled up when it is over
        SELECT running.hour, battery_charge_power_w, battery_discharge_power_w, home_power_w, solar_power_w,
            beginning.charged_wh, beginning.discharged_wh, beginning.home_wh, beginning.solar_wh,
            battery_charged_energy_wh, battery_discharged_energy_wh, home_energy_wh, solar_energy_wh
        FROM fleet.telemetry_latest AS latest
        CROSS JOIN LATERAL (SELECT date_bin('1 hour', latest.measured_at, '2000-01-01T00:00:00Z') AS hour) AS running
        LEFT JOIN LATERAL ( -- of a battery that has no hour yet, its first sample
            SELECT reading.battery_charged_energy_wh AS charged_wh, reading.battery_discharged_energy_wh AS discharged_wh,
                reading.home_energy_wh AS home_wh, reading.solar_energy_wh AS solar_wh
            FROM fleet.telemetry AS reading
            WHERE is_new AND reading.thing_name = p_thing_name AND reading.measured_at >= running.hour
                AND reading.chunk_until >= running.hour AND reading.chunk_from >= running.hour - interval '5 minutes'
            ORDER BY reading.measured_at, reading.sequence LIMIT 1
        ) AS beginning ON true
        WHERE latest.thing_name = p_thing_name AND running.hour < p_to AND NOT EXISTS (
            SELECT FROM fleet.telemetry_1h AS part
            WHERE part.thing_name = p_thing_name AND part.bucket_start >= running.hour
        )
    ), steps AS (
        SELECT hours.*,
            coalesce(extract(epoch FROM bucket_start - lag(bucket_start) OVER earlier), 3600)::double precision AS length_s,
            coalesce(lag(last_charged_wh) OVER earlier, first_charged_wh) AS charged_before_wh,
            coalesce(lag(last_discharged_wh) OVER earlier, first_discharged_wh) AS discharged_before_wh,
            coalesce(lag(last_home_wh) OVER earlier, first_home_wh) AS home_before_wh,
            coalesce(lag(last_solar_wh) OVER earlier, first_solar_wh) AS solar_before_wh,
            greatest(charged_w, lag(charged_w) OVER earlier) AS highest_charged_w,
            greatest(discharged_w, lag(discharged_w) OVER earlier) AS highest_discharged_w,
            greatest(home_w, lag(home_w) OVER earlier) AS highest_home_w,
            greatest(solar_w, lag(solar_w) OVER earlier) AS highest_solar_w
        FROM hours
        WINDOW earlier AS (ORDER BY bucket_start)
    )
    SELECT bucket_start,
        fleet.counted_wh(charged_before_wh, last_charged_wh, highest_charged_w, length_s, length_s, length_s),
        fleet.counted_wh(discharged_before_wh, last_discharged_wh, highest_discharged_w, length_s, length_s, length_s),
        fleet.counted_wh(home_before_wh, last_home_wh, highest_home_w, length_s, length_s, length_s),
        fleet.counted_wh(solar_before_wh, last_solar_wh, highest_solar_w, length_s, length_s, length_s)
    FROM steps
    WHERE bucket_start >= p_from;
END
$$;
COMMENT ON FUNCTION fleet.energy_hours IS
    'What the counters of a device grew (Wh), by hours (UTC) that the caller may see, each from the last reading before the '
    'hour to its last one: what grew while nothing came is in the hour in which something came again. NULL: not known. The '
    'running hour is in it as far as the newest sample is.';

CREATE FUNCTION public.energy_series(
    p_thing_name text, p_from timestamptz, p_to timestamptz, p_unit text, p_time_zone text, p_has_sun boolean
) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = '' SET jit = off SET timezone = 'UTC'
AS $$
DECLARE
    longest interval := CASE p_unit WHEN 'hour' THEN interval '32 days' ELSE interval '800 days' END;
BEGIN
    PERFORM fleet.require_visible_device(p_thing_name);
    IF p_unit IS NULL OR p_unit NOT IN ('hour', 'day', 'month') THEN
        RAISE EXCEPTION USING ERRCODE = 'PT422', MESSAGE = 'Ask for hour, day or month.';
    ELSIF p_from IS NULL OR p_to IS NULL OR NOT p_from < p_to OR NOT isfinite(p_from) OR NOT isfinite(p_to)
        OR p_to > p_from + longest THEN
        RAISE EXCEPTION USING ERRCODE = 'PT422',
            MESSAGE = 'Ask for a time from one moment to a later one, by the hour 32 days at most, else 800.';
    END IF;
    BEGIN
        PERFORM p_from AT TIME ZONE p_time_zone;
    EXCEPTION WHEN invalid_parameter_value THEN
        p_time_zone := NULL;
    END;
    IF p_time_zone IS NULL OR p_has_sun IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'PT422',
            MESSAGE = 'Ask with a time zone, as America/Los_Angeles, and whether there is anything to say of the sun.';
    END IF;
    RETURN (
        SELECT coalesce(jsonb_agg(to_jsonb(part) ORDER BY part.bucket_start), '[]')
        FROM (
            SELECT CASE WHEN p_unit = 'hour' THEN hour.bucket_start
                ELSE date_trunc(p_unit, hour.bucket_start AT TIME ZONE p_time_zone) AT TIME ZONE p_time_zone
                END AS bucket_start,
                sum(charged_wh) AS charged_wh, sum(discharged_wh) AS discharged_wh, sum(home_wh) AS home_wh,
                sum(solar_wh) AS solar_wh, sum(CASE WHEN grid.wh > 0 THEN grid.wh WHEN grid.wh <= 0 THEN 0 END) AS from_grid_wh,
                sum(CASE WHEN grid.wh < 0 THEN -grid.wh WHEN grid.wh >= 0 THEN 0 END) AS to_grid_wh,
                sum(home_wh) FILTER (WHERE grid.wh IS NOT NULL) AS home_compared_wh
            FROM fleet.energy_hours(p_thing_name, p_from, p_to) AS hour
            CROSS JOIN LATERAL (
                SELECT home_wh + charged_wh - discharged_wh
                    - CASE WHEN p_has_sun THEN solar_wh ELSE coalesce(solar_wh, 0) END AS wh
            ) AS grid
            GROUP BY 1
        ) AS part
    );
END
$$;
COMMENT ON FUNCTION public.energy_series IS
    'Energy of a device (Wh) by hour, or by day or month of a time zone, oldest first. What comes from the grid and what goes '
    'there is what home and battery took less what sun and battery gave, hour by hour: within one they cancel out. '
    'home_compared_wh is what the home used while that is known. Raises PT404 for a device that is not the caller''s, PT422 '
    'for a time that cannot be answered.';

REVOKE ALL ON FUNCTION fleet.energy_hours(text, timestamptz, timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.energy_series(text, timestamptz, timestamptz, text, text, boolean)
FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION
    fleet.energy_hours(text, timestamptz, timestamptz),
    public.energy_series(text, timestamptz, timestamptz, text, text, boolean)
TO authenticated;
