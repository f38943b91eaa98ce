-- Minutes are stored a row an hour, when that is over: a sixth of the bytes, and written once instead of sixty times.
--
-- fleet.telemetry_1min is a view from here on. What was stored a row a minute stays in fleet.telemetry_1min_rows until
-- `maintain-storage` has made hours of it.

ALTER TABLE fleet.telemetry_1min RENAME TO telemetry_1min_rows;
COMMENT ON TABLE fleet.telemetry_1min_rows IS 'Minutes a row each, as they were stored before there were rows of hours.';

CREATE TABLE fleet.telemetry_minutes (
    thing_name text NOT NULL,
    bucket_start timestamptz NOT NULL,
    earliest_received_at timestamptz NOT NULL,
    minutes smallint NOT NULL,
    bases bigint[] NOT NULL,
    slopes integer[] NOT NULL,
    readings bytea NOT NULL,
    PRIMARY KEY (thing_name, bucket_start)
) WITH (toast_tuple_target = 3000); -- compressed, a row is some 2 kB: that stays where it is
COMMENT ON TABLE fleet.telemetry_minutes IS
    'The minutes of a battery that hold samples, all those of an hour (UTC) in one row: in two where it changed hands or '
    'its numbers are far apart. fleet.telemetry_1min shows them one by one.';
COMMENT ON COLUMN fleet.telemetry_minutes.bucket_start IS 'The first minute of the row.';
COMMENT ON COLUMN fleet.telemetry_minutes.readings IS
    'Numbers of 16 bits (fleet.int16_at), a column of as many as there are minutes after the other. The first: how many '
    'minutes are missing before minute n (from 1), so that it is the one m = n - 1 and so many minutes after bucket_start. '
    'Column c: the number is bases[c] + slopes[c] * m and so much, and was not read where this is -32768. In the order of '
    'fleet.telemetry_1min; times are milliseconds since 1970, but for when a minute was first received: seconds. Powers and '
    'energies are tenths of W and Wh, shares hundredths of a percent.';

-- Whoever rolls up writes it, one session at a time; what is here and has no row of minutes is read from the samples.
CREATE TABLE fleet.telemetry_open (
    thing_name text NOT NULL,
    bucket_start timestamptz NOT NULL,
    PRIMARY KEY (thing_name, bucket_start)
);
CREATE INDEX telemetry_open_by_time ON fleet.telemetry_open (bucket_start);
COMMENT ON TABLE fleet.telemetry_open IS 'Hours of a battery that have samples and are not rolled up yet: the running one.';

-- Of hours that are hardly over all samples are there: they are rolled up anew, whole.
WITH moved AS (
    DELETE FROM fleet.telemetry_1min_rows
    WHERE bucket_start >= date_bin('1 hour', now() - interval '65 minutes', '2000-01-01T00:00:00Z')
    RETURNING thing_name, bucket_start
)
INSERT INTO fleet.telemetry_open (thing_name, bucket_start)
SELECT DISTINCT thing_name, date_bin('1 hour', bucket_start, '2000-01-01T00:00:00Z') FROM moved;

CREATE FUNCTION fleet.minute_number(p_fitted bigint, p_readings bytea, p_minutes integer, p_column integer, p_minute integer)
RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT p_fitted + nullif(fleet.int16_at(p_readings, p_column * p_minutes + p_minute - 1), -32768) $$;
COMMENT ON FUNCTION fleet.minute_number IS
    'Number p_column of minute p_minute (both from 1) of a row of so many minutes, or NULL: not read. p_fitted: what the row '
    'has of it on its line.';

CREATE FUNCTION fleet.at_ms(p_ms bigint) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT '1970-01-01T00:00:00Z'::timestamptz + p_ms * interval '1 millisecond' $$;
COMMENT ON FUNCTION fleet.at_ms IS 'The moment so many milliseconds after 1970 began (UTC).';

CREATE VIEW fleet.telemetry_1min WITH (security_invoker = true) AS
SELECT
    stored.thing_name, minute.bucket_start,
    fleet.at_ms(1000 * fleet.minute_number(bases[3] + slopes[3]::bigint * m, flat.readings, minutes, 3, n)) AS earliest_received_at,
    fleet.at_ms(fleet.minute_number(bases[4] + slopes[4]::bigint * m, flat.readings, minutes, 4, n)) AS first_measured_at,
    fleet.minute_number(bases[5] + slopes[5]::bigint * m, flat.readings, minutes, 5, n) AS first_sequence,
    fleet.minute_number(bases[6] + slopes[6]::bigint * m, flat.readings, minutes, 6, n) / 10.0::float8 AS first_battery_charged_energy_wh,
    fleet.minute_number(bases[7] + slopes[7]::bigint * m, flat.readings, minutes, 7, n) / 10.0::float8 AS first_battery_discharged_energy_wh,
    fleet.minute_number(bases[8] + slopes[8]::bigint * m, flat.readings, minutes, 8, n) / 10.0::float8 AS first_home_energy_wh,
    fleet.minute_number(bases[9] + slopes[9]::bigint * m, flat.readings, minutes, 9, n) / 10.0::float8 AS first_solar_energy_wh,
    fleet.at_ms(fleet.minute_number(bases[10] + slopes[10]::bigint * m, flat.readings, minutes, 10, n)) AS last_measured_at,
    fleet.minute_number(bases[11] + slopes[11]::bigint * m, flat.readings, minutes, 11, n) AS last_sequence,
    fleet.minute_number(bases[12] + slopes[12]::bigint * m, flat.readings, minutes, 12, n) / 10.0::float8 AS last_battery_charge_power_w,
    fleet.minute_number(bases[13] + slopes[13]::bigint * m, flat.readings, minutes, 13, n) / 10.0::float8 AS last_battery_discharge_power_w,
    fleet.minute_number(bases[14] + slopes[14]::bigint * m, flat.readings, minutes, 14, n) / 10.0::float8 AS last_battery_charged_energy_wh,
    fleet.minute_number(bases[15] + slopes[15]::bigint * m, flat.readings, minutes, 15, n) / 10.0::float8 AS last_battery_discharged_energy_wh,
    fleet.minute_number(bases[16] + slopes[16]::bigint * m, flat.readings, minutes, 16, n) / 10.0::float8 AS last_battery_stored_energy_wh,
    fleet.minute_number(bases[17] + slopes[17]::bigint * m, flat.readings, minutes, 17, n) / 10.0::float8 AS last_battery_capacity_energy_wh,
    fleet.minute_number(bases[18] + slopes[18]::bigint * m, flat.readings, minutes, 18, n) / 100.0::float8 AS last_state_of_charge_pct,
    fleet.minute_number(bases[19] + slopes[19]::bigint * m, flat.readings, minutes, 19, n) / 100.0::float8 AS last_backup_reserve_pct,
    fleet.minute_number(bases[20] + slopes[20]::bigint * m, flat.readings, minutes, 20, n) / 10.0::float8 AS last_home_power_w,
    fleet.minute_number(bases[21] + slopes[21]::bigint * m, flat.readings, minutes, 21, n) / 10.0::float8 AS last_home_energy_wh,
    fleet.minute_number(bases[22] + slopes[22]::bigint * m, flat.readings, minutes, 22, n) / 10.0::float8 AS last_solar_power_w,
    fleet.minute_number(bases[23] + slopes[23]::bigint * m, flat.readings, minutes, 23, n) / 10.0::float8 AS last_solar_energy_wh,
    (enum_range(NULL::fleet.battery_mode))[fleet.minute_number(bases[24] + slopes[24]::bigint * m, flat.readings, minutes, 24, n)] AS last_mode,
    nullif(fleet.minute_number(bases[25] + slopes[25]::bigint * m, flat.readings, minutes, 25, n), 0) = 2 AS last_grid_online,
    minute.samples * fleet.minute_number(bases[26] + slopes[26]::bigint * m, flat.readings, minutes, 26, n) / 100.0::float8 AS state_of_charge_sum_pct,
    minute.samples * fleet.minute_number(bases[27] + slopes[27]::bigint * m, flat.readings, minutes, 27, n) / 10.0::float8 AS battery_charge_power_sum_w,
    minute.samples * fleet.minute_number(bases[28] + slopes[28]::bigint * m, flat.readings, minutes, 28, n) / 10.0::float8 AS battery_discharge_power_sum_w,
    minute.samples * fleet.minute_number(bases[29] + slopes[29]::bigint * m, flat.readings, minutes, 29, n) / 10.0::float8 AS home_power_sum_w,
    minute.samples * fleet.minute_number(bases[30] + slopes[30]::bigint * m, flat.readings, minutes, 30, n) / 10.0::float8 AS solar_power_sum_w,
    fleet.minute_number(bases[31] + slopes[31]::bigint * m, flat.readings, minutes, 31, n) / 100.0::float8 AS state_of_charge_min_pct,
    fleet.minute_number(bases[32] + slopes[32]::bigint * m, flat.readings, minutes, 32, n) / 100.0::float8 AS state_of_charge_max_pct,
    minute.samples,
    fleet.minute_number(bases[2] + slopes[2]::bigint * m, flat.readings, minutes, 2, n)::integer AS samples_grid_online,
    stored.bucket_start AS row_from
FROM fleet.telemetry_minutes AS stored
-- Taken out of its compressed form once, and not for each number.
CROSS JOIN LATERAL (SELECT stored.readings || ''::bytea AS readings OFFSET 0) AS flat
CROSS JOIN LATERAL generate_series(1, stored.minutes::integer) AS n
CROSS JOIN LATERAL (SELECT n - 1 + fleet.int16_at(flat.readings, n - 1) AS m) AS after
CROSS JOIN LATERAL (
    SELECT stored.bucket_start + m * interval '1 minute' AS bucket_start,
        fleet.minute_number(bases[1] + slopes[1]::bigint * m, flat.readings, minutes, 1, n)::integer AS samples
) AS minute
UNION ALL
SELECT
    thing_name, bucket_start, earliest_received_at, first_measured_at, first_sequence, first_battery_charged_energy_wh,
    first_battery_discharged_energy_wh, first_home_energy_wh, first_solar_energy_wh, last_measured_at, last_sequence,
    last_battery_charge_power_w, last_battery_discharge_power_w, last_battery_charged_energy_wh,
    last_battery_discharged_energy_wh, last_battery_stored_energy_wh, last_battery_capacity_energy_wh,
    last_state_of_charge_pct, last_backup_reserve_pct, last_home_power_w, last_home_energy_wh, last_solar_power_w,
    last_solar_energy_wh, last_mode, last_grid_online, state_of_charge_sum_pct, battery_charge_power_sum_w,
    battery_discharge_power_sum_w, home_power_sum_w, solar_power_sum_w, state_of_charge_min_pct, state_of_charge_max_pct,
    samples, samples_grid_online, bucket_start
FROM fleet.telemetry_1min_rows;
COMMENT ON VIEW fleet.telemetry_1min IS
    'Each battery''s samples of a whole minute of its clock (UTC), of hours that are over: sums (sum / samples is the average '
    'of what was read, to 0.1 W and 0.01 %), the range of the state of charge, the first sample''s counters and the last '
    'sample. W, Wh, percent; NULL: not read. Who asks for a time names row_from, from an hour earlier on, beside '
    'bucket_start.';

CREATE FUNCTION fleet.open_minutes(p_thing_name text, p_from timestamptz, p_to timestamptz)
RETURNS TABLE (
    bucket_start timestamptz, samples integer, samples_grid_online integer, state_of_charge_sum_pct double precision,
    state_of_charge_min_pct double precision, state_of_charge_max_pct double precision,
    battery_charge_power_sum_w double precision, battery_discharge_power_sum_w double precision,
    home_power_sum_w double precision, solar_power_sum_w double precision
)
LANGUAGE plpgsql STABLE SET search_path = ''
AS $$
DECLARE
    begin_at timestamptz;
    end_at timestamptz;
BEGIN
    -- Hour by hour, each with times that the planner knows: it passes over the other days' partitions.
    FOR begin_at, end_at IN
        SELECT greatest(hour.bucket_start, p_from), least(hour.bucket_start + interval '1 hour', p_to)
        FROM fleet.telemetry_open AS hour
        WHERE hour.thing_name = p_thing_name AND hour.bucket_start > p_from - interval '1 hour'
            AND hour.bucket_start < p_to
            AND NOT EXISTS (
                SELECT FROM fleet.telemetry_minutes AS rolled
                WHERE rolled.thing_name = p_thing_name AND rolled.bucket_start >= hour.bucket_start
                    AND rolled.bucket_start < hour.bucket_start + interval '1 hour'
            )
    LOOP
        RETURN QUERY
        SELECT date_bin('1 minute', measured_at, '2000-01-01T00:00:00Z'), count(*)::integer,
            (count(*) FILTER (WHERE grid_online IS NOT FALSE))::integer, avg(reading.state_of_charge_pct) * count(*),
            min(reading.state_of_charge_pct), max(reading.state_of_charge_pct),
            avg(battery_charge_power_w) * count(*), avg(battery_discharge_power_w) * count(*),
            avg(home_power_w) * count(*), avg(solar_power_w) * count(*)
        FROM fleet.telemetry AS reading
        WHERE thing_name = p_thing_name AND measured_at >= begin_at AND measured_at < end_at
            AND chunk_until >= begin_at AND chunk_from >= begin_at - interval '5 minutes' AND chunk_from < end_at
        GROUP BY 1;
    END LOOP;
END
$$;
COMMENT ON FUNCTION fleet.open_minutes IS
    'Of the hours of a device that are not rolled up yet, what visible_rollups has of each minute, out of the samples that '
    'the caller may see.';

CREATE OR REPLACE FUNCTION fleet.visible_rollups(p_thing_name text, p_from timestamptz, p_to timestamptz, p_unit interval)
RETURNS TABLE (
    bucket_start timestamptz, samples integer, samples_grid_online integer, state_of_charge_sum_pct double precision,
    state_of_charge_min_pct double precision, state_of_charge_max_pct double precision,
    battery_charge_power_sum_w double precision, battery_discharge_power_sum_w double precision,
    home_power_sum_w double precision, solar_power_sum_w double precision
)
LANGUAGE plpgsql STABLE SET search_path = ''
AS $$
DECLARE
    by_hour boolean := p_unit = interval '1 hour';
    shared_hour timestamptz := (SELECT hour FROM fleet.hours_by_minute(p_thing_name, p_from, p_to) AS hour);
    minutes_from timestamptz := CASE WHEN by_hour THEN shared_hour ELSE p_from END;
    minutes_to timestamptz := CASE WHEN by_hour THEN shared_hour + p_unit ELSE p_to END;
BEGIN
    IF by_hour THEN
        RETURN QUERY
        SELECT part.bucket_start, part.samples, part.samples_grid_online, part.state_of_charge_sum_pct,
            part.state_of_charge_min_pct, part.state_of_charge_max_pct, part.battery_charge_power_sum_w,
            part.battery_discharge_power_sum_w, part.home_power_sum_w, part.solar_power_sum_w
        FROM fleet.telemetry_1h AS part
        WHERE part.thing_name = p_thing_name AND part.bucket_start >= p_from AND part.bucket_start < p_to;
    END IF;
    RETURN QUERY
    SELECT part.bucket_start, part.samples, part.samples_grid_online, part.state_of_charge_sum_pct,
        part.state_of_charge_min_pct, part.state_of_charge_max_pct, part.battery_charge_power_sum_w,
        part.battery_discharge_power_sum_w, part.home_power_sum_w, part.solar_power_sum_w
    FROM fleet.telemetry_1min AS part
    WHERE part.thing_name = p_thing_name AND part.row_from > minutes_from - interval '1 hour' AND part.row_from < minutes_to
        AND part.bucket_start >= minutes_from AND part.bucket_start < minutes_to;
    RETURN QUERY SELECT * FROM fleet.open_minutes(p_thing_name, p_from, p_to);
END
$$;
COMMENT ON FUNCTION fleet.visible_rollups IS
    'The rollups of a device that the caller may see, by minute or by hour; of the running hour, and of one shared with the '
    'last household, the minutes.';

CREATE OR REPLACE FUNCTION public.telemetry_readiness(p_thing_name text) RETURNS TABLE (
    days double precision, intervals_expected integer, intervals_present integer, intervals_missing integer,
    window_start timestamptz, window_end timestamptz, first_interval_at timestamptz, first_gap_start timestamptz,
    first_gap_end timestamptz
)
LANGUAGE plpgsql STABLE SET search_path = '' SET timezone = 'UTC'
AS $$
DECLARE
    window_length CONSTANT interval := '30 days';
BEGIN
    PERFORM fleet.require_visible_device(p_thing_name);
    window_end := fleet.interval_start(now());
    window_start := window_end - window_length;
    RETURN QUERY
    WITH present AS (
        SELECT bucket_start + n * interval '5 minutes' AS at
        FROM fleet.telemetry_1h AS part, generate_series(0, 11) AS n
        WHERE thing_name = p_thing_name AND bucket_start > window_start - interval '1 hour'
            AND bucket_start < window_end AND (part.intervals_present >> n) & 1 = 1
        UNION
        SELECT fleet.interval_start(bucket_start)
        FROM fleet.hours_by_minute(p_thing_name, window_start - interval '1 hour', window_end) AS hour
        JOIN fleet.telemetry_1min ON row_from >= hour AND row_from < hour + interval '1 hour'
        WHERE thing_name = p_thing_name
        UNION
        SELECT fleet.interval_start(bucket_start) FROM fleet.open_minutes(p_thing_name, window_start, window_end)
    ), within AS (
        SELECT at FROM present WHERE at >= window_start AND at < window_end
    ), edges AS ( -- from each interval to the next one, the window's own edges included
        SELECT at, lead(at) OVER (ORDER BY at) AS next_at FROM (
            SELECT at FROM within UNION ALL VALUES (window_start - interval '5 minutes'), (window_end)
        ) AS points
    ), gap AS (
        SELECT at + interval '5 minutes' AS starts_at, next_at AS ends_at FROM edges
        WHERE next_at > at + interval '5 minutes' ORDER BY at LIMIT 1
    ), totals AS (
        SELECT (extract(epoch FROM window_length) / 300)::integer AS expected, count(*)::integer AS present,
            min(at) AS first_at
        FROM within
    )
    SELECT coalesce(extract(epoch FROM window_end - totals.first_at) / 86400, 0)::double precision, totals.expected,
        totals.present, totals.expected - totals.present, window_start, window_end, totals.first_at, gap.starts_at,
        gap.ends_at
    FROM totals LEFT JOIN gap ON true;
END
$$;

CREATE OR REPLACE FUNCTION fleet.command_readings(
    p_thing_name text, p_from timestamptz, p_to timestamptz, p_gap interval, p_first timestamptz, p_last timestamptz
) RETURNS TABLE (
    measured_at timestamptz, received_at timestamptz, sequence bigint, charged_wh double precision,
    discharged_wh double precision, charge_w double precision, discharge_w double precision
)
LANGUAGE sql STABLE
AS $$
    (SELECT measured_at, received_at, sequence, battery_charged_energy_wh, battery_discharged_energy_wh,
        battery_charge_power_w, battery_discharge_power_w
     FROM fleet.telemetry
     WHERE thing_name = p_thing_name AND measured_at >= p_from - p_gap AND measured_at < p_from
        AND chunk_until >= p_from - p_gap AND chunk_from >= p_from - p_gap - interval '5 minutes' AND chunk_from < p_from
        AND chunk_from BETWEEN p_first - interval '5 minutes' AND p_last
     ORDER BY measured_at DESC, sequence DESC LIMIT 1)
    UNION ALL
    SELECT measured_at, received_at, sequence, battery_charged_energy_wh, battery_discharged_energy_wh,
        battery_charge_power_w, battery_discharge_power_w
    FROM fleet.telemetry
    WHERE thing_name = p_thing_name AND measured_at >= p_from AND measured_at <= p_to
        AND chunk_until >= p_from AND chunk_from >= p_from - interval '5 minutes' AND chunk_from <= p_to
        AND chunk_from BETWEEN p_first - interval '5 minutes' AND p_last
    UNION ALL
    (SELECT measured_at, received_at, sequence, battery_charged_energy_wh, battery_discharged_energy_wh,
        battery_charge_power_w, battery_discharge_power_w
     FROM fleet.telemetry
     WHERE thing_name = p_thing_name AND measured_at > p_to AND measured_at <= p_to + p_gap
        AND chunk_until > p_to AND chunk_from > p_to - interval '5 minutes' AND chunk_from <= p_to + p_gap
        AND chunk_from BETWEEN p_first - interval '5 minutes' AND p_last
     ORDER BY measured_at, sequence LIMIT 1)
    UNION ALL
    SELECT sample.*
    FROM fleet.telemetry_1min AS minute
    CROSS JOIN LATERAL (
        VALUES (
            first_measured_at, earliest_received_at, first_sequence, first_battery_charged_energy_wh,
            first_battery_discharged_energy_wh, NULL::double precision, NULL::double precision
        ), (
            last_measured_at, NULL, last_sequence, last_battery_charged_energy_wh, last_battery_discharged_energy_wh,
            last_battery_charge_power_w, last_battery_discharge_power_w
        )
    ) AS sample (
        measured_at, received_at, sequence, charged_wh, discharged_wh, charge_w, discharge_w
    )
    WHERE p_from < now() - interval '48 hours' -- samples are kept so long at least
        AND minute.thing_name = p_thing_name AND minute.bucket_start BETWEEN p_from - p_gap AND p_to + p_gap
        AND minute.row_from BETWEEN p_from - p_gap - interval '1 hour' AND p_to + p_gap
        AND NOT EXISTS (
            SELECT FROM fleet.telemetry AS kept
            WHERE kept.thing_name = p_thing_name AND kept.measured_at = sample.measured_at
                AND kept.sequence = sample.sequence AND kept.chunk_until >= sample.measured_at
                AND kept.chunk_from BETWEEN sample.measured_at - interval '5 minutes' AND sample.measured_at
        )
$$;
COMMENT ON FUNCTION fleet.command_readings IS
    'The samples of a time, with those before and after it that are no further off than p_gap; of samples that are '
    'in the archive, the first and the last one of each minute. p_first and p_last change nothing: they reach over '
    'all of it, and spare the planner the other days'' partitions.';

ALTER TABLE fleet.telemetry_minutes ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.telemetry_open ENABLE ROW LEVEL SECURITY;
REVOKE ALL ON FUNCTION
    fleet.minute_number(bigint, bytea, integer, integer, integer), fleet.at_ms(bigint),
    fleet.open_minutes(text, timestamptz, timestamptz)
FROM PUBLIC;
REVOKE ALL ON fleet.telemetry_1min FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    fleet.minute_number(bigint, bytea, integer, integer, integer), fleet.at_ms(bigint),
    fleet.open_minutes(text, timestamptz, timestamptz)
TO authenticated;
GRANT SELECT ON fleet.telemetry_1min, fleet.telemetry_minutes, fleet.telemetry_open TO authenticated;
-- As of the rollups before: a row begins anew where a battery changes hands, so that the next household sees its own.
CREATE POLICY owner_or_operator_reads ON fleet.telemetry_minutes FOR SELECT TO authenticated
    USING (
        (SELECT fleet.is_operator()) OR EXISTS (
            SELECT FROM fleet.registrations AS mine
            WHERE mine.thing_name = telemetry_minutes.thing_name AND mine.owner_id = (SELECT fleet.current_user_id())
              AND telemetry_minutes.bucket_start >= mine.visible_from
              AND telemetry_minutes.earliest_received_at >= mine.visible_from
        )
    );
-- Of which hours there are samples: the samples themselves have a policy of their own.
CREATE POLICY owner_or_operator_reads ON fleet.telemetry_open FOR SELECT TO authenticated
    USING (
        (SELECT fleet.is_operator()) OR EXISTS (
            SELECT FROM fleet.registrations AS mine
            WHERE mine.thing_name = telemetry_open.thing_name AND mine.owner_id = (SELECT fleet.current_user_id())
              AND telemetry_open.bucket_start > mine.visible_from - interval '1 hour'
        )
    );
