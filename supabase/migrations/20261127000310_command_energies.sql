-- What batteries delivered of what they were asked for (fleet.command_asks), over the same time.
--
-- Measured. Energy is what the counters grew while it was asked, from reading to reading in the battery's own order:
--     sum over neighbouring readings of  step * overlap / length
-- with `step` the growth of the counter between them (fleet.counted_wh), `length` the time between them and `overlap`
-- the part of it in which it was asked. A step inside counts whole; one over an edge is shared out by time, as if the
-- power had been even, and counts nothing if it is longer than 5 minutes. NULL where no step counts: not measured,
-- which is not 0 Wh.
--
-- Compared. Only over the steps that count is what was asked set against what was measured. Readings are known up to
-- the battery's newest sample; what was asked after that is late, not missing energy. A queue keeps a message for 14
-- days: so long after the end they may come.

-- What the samples told before they went to the archive, minutes still tell: each has its first and its last sample.
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
        AND measured_at BETWEEN p_first AND p_last
     ORDER BY measured_at DESC, sequence DESC LIMIT 1)
    UNION ALL
    SELECT measured_at, received_at, sequence, battery_charged_energy_wh, battery_discharged_energy_wh,
        battery_charge_power_w, battery_discharge_power_w
    FROM fleet.telemetry
    WHERE thing_name = p_thing_name AND measured_at >= p_from AND measured_at <= p_to
        AND measured_at BETWEEN p_first AND p_last
    UNION ALL
    (SELECT measured_at, received_at, sequence, battery_charged_energy_wh, battery_discharged_energy_wh,
        battery_charge_power_w, battery_discharge_power_w
     FROM fleet.telemetry
     WHERE thing_name = p_thing_name AND measured_at > p_to AND measured_at <= p_to + p_gap
        AND measured_at BETWEEN p_first AND p_last
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
    WHERE p_from < now() - interval '360 hours' -- samples are kept for 15 days at least
        AND minute.thing_name = p_thing_name AND minute.bucket_start BETWEEN p_from - p_gap AND p_to + p_gap
        AND NOT EXISTS (
            SELECT FROM fleet.telemetry AS kept
            WHERE kept.thing_name = p_thing_name AND kept.measured_at = sample.measured_at
                AND kept.sequence = sample.sequence
        )
$$;
COMMENT ON FUNCTION fleet.command_readings IS
    'The samples of a time, with those before and after it that are no further off than p_gap; of samples that are '
    'in the archive, the first and the last one of each minute. p_first and p_last change nothing: they reach over '
    'all of it, and spare the planner the other days'' partitions.';

CREATE FUNCTION fleet.data_standing(
    p_asked_until timestamptz, p_known_until timestamptz, p_asked_s double precision, p_measured_s double precision,
    p_began_at timestamptz
) RETURNS text
LANGUAGE sql STABLE
AS $$
    SELECT CASE
        WHEN p_asked_until IS NULL THEN 'not_asked'
        WHEN p_measured_s >= p_asked_s - 0.001 THEN 'complete'
        WHEN p_asked_until < now() - interval '744 hours' AND p_measured_s = 0 THEN 'archived'
        WHEN p_known_until >= p_asked_until OR now() > p_asked_until + interval '336 hours'
            THEN CASE WHEN p_measured_s > 0 THEN 'incomplete' ELSE 'not_reported' END
        WHEN now() <= greatest(p_known_until, p_began_at) + interval '2 minutes' THEN 'on_its_way'
        ELSE 'late'
    END
$$;
COMMENT ON FUNCTION fleet.data_standing IS
    'How complete a battery''s readings are of the time in which it was asked: not_asked, complete, on_its_way '
    '(batteries send once a minute: up to 2 minutes), late (they may come for 14 days), incomplete or not_reported '
    '(some or all are missing, and none will come any more), archived (only the archive has them: after a month at '
    'the earliest).';

DROP FUNCTION public.my_command_results(integer);
DROP FUNCTION public.dispatch_report(timestamptz, text, timestamptz, integer);
DROP FUNCTION fleet.command_measurements(text[], interval);
DROP FUNCTION fleet.asked_energy_wh(text, text, double precision, timestamptz, timestamptz);

CREATE FUNCTION fleet.command_energies(p_command_ids text[], p_gap interval) RETURNS TABLE (
    command_id text, asked_first_energy_wh double precision, asked_energy_wh double precision,
    asked_while_measured_wh double precision, measured_energy_wh double precision, charged_energy_wh double precision,
    discharged_energy_wh double precision, asked_s double precision, measured_s double precision,
    window_end timestamptz, known_until timestamptz, data_standing text, samples bigint, clock_skew_s double precision,
    gap_count bigint, gap_total_s double precision, gaps jsonb
)
LANGUAGE plpgsql STABLE SET search_path = ''
AS $$
DECLARE
    edge CONSTANT interval := '5 minutes';
    edge_s CONSTANT double precision := 300;
    first_at timestamptz;
    last_at timestamptz;
BEGIN
    SELECT min(ask.from_at) - edge, max(least(ask.to_at, now())) + edge INTO first_at, last_at
    FROM fleet.command_asks(p_command_ids) AS ask WHERE ask.from_at < now();
    RETURN QUERY
    WITH ask AS MATERIALIZED ( -- as far as it has come, with a number for what is asked without a break
        SELECT begun.*, (count(*) FILTER (WHERE begun.is_new) OVER (
            ORDER BY begun.command_id, begun.from_at ROWS UNBOUNDED PRECEDING
        ))::integer AS number
        FROM (
            SELECT one.command_id, one.thing_name, one.mode, one.setpoint_w, one.from_at,
                least(one.to_at, now()) AS to_at,
                (lag(one.to_at) OVER life, lag(one.mode) OVER life, lag(one.setpoint_w) OVER life IS NULL)
                    IS DISTINCT FROM (one.from_at, one.mode, one.setpoint_w IS NULL) AS is_new
            FROM fleet.command_asks(p_command_ids) AS one WHERE one.from_at < now()
            WINDOW life AS (PARTITION BY one.command_id ORDER BY one.from_at)
        ) AS begun
    ), stretch AS MATERIALIZED (
        SELECT ask.number, ask.command_id, ask.thing_name, ask.mode,
            bool_or(ask.setpoint_w IS NOT NULL) AS has_setpoint, min(ask.from_at) AS from_at, max(ask.to_at) AS to_at
        FROM ask GROUP BY ask.number, ask.command_id, ask.thing_name, ask.mode
    ), reading AS MATERIALIZED (
        SELECT stretch.number, stretch.command_id, stretch.from_at, stretch.to_at, sample.*,
            sample.measured_at >= stretch.from_at AND sample.measured_at <= stretch.to_at AS is_inside
        FROM stretch
        CROSS JOIN LATERAL fleet.command_readings(
            stretch.thing_name, stretch.from_at, stretch.to_at, edge, first_at, last_at
        ) AS sample
    ), pair AS ( -- a counter that was not read at a sample goes on from the reading before
        SELECT reading.number, counter.direction, counter.wh AS after_wh, lag(counter.wh) OVER own_order AS before_wh,
            coalesce(greatest(counter.power_w, lag(counter.power_w) OVER own_order), 0) AS power_w,
            extract(epoch FROM reading.measured_at - lag(reading.measured_at) OVER own_order)::double precision
                AS length_s,
            greatest(lag(reading.measured_at) OVER own_order, reading.from_at) AS from_at,
            least(reading.measured_at, reading.to_at) AS to_at
        FROM reading
        CROSS JOIN LATERAL (
            VALUES ('CHARGE', reading.charged_wh, reading.charge_w),
                ('DISCHARGE', reading.discharged_wh, reading.discharge_w)
        ) AS counter (direction, wh, power_w)
        WHERE counter.wh IS NOT NULL
        WINDOW own_order AS (PARTITION BY reading.number, counter.direction ORDER BY reading.sequence)
    ), step AS MATERIALIZED (
        SELECT pair.number, pair.direction, pair.from_at, pair.to_at, counted.wh
        FROM pair
        CROSS JOIN LATERAL fleet.counted_wh(
            pair.before_wh, pair.after_wh, pair.power_w, pair.length_s,
            extract(epoch FROM pair.to_at - pair.from_at)::double precision, edge_s
        ) AS counted (wh)
        WHERE pair.length_s > 0 AND counted.wh IS NOT NULL
    ), grown AS (
        SELECT step.number, step.direction, sum(step.wh) AS wh,
            sum(extract(epoch FROM step.to_at - step.from_at))::double precision AS measured_s
        FROM step GROUP BY step.number, step.direction
    ), compared AS ( -- what was asked over the very steps that were measured
        SELECT step.number, sum(
            ask.setpoint_w / 3600
            * extract(epoch FROM least(step.to_at, ask.to_at) - greatest(step.from_at, ask.from_at))::double precision
        ) AS wh
        FROM step JOIN ask
            ON ask.number = step.number AND ask.mode = step.direction
            AND ask.from_at < step.to_at AND ask.to_at > step.from_at
        GROUP BY step.number
    ), measured AS (
        SELECT stretch.command_id, max(stretch.to_at) AS asked_until, min(stretch.from_at) AS began_at,
            sum(extract(epoch FROM stretch.to_at - stretch.from_at))::double precision AS asked_s,
            sum(least(
                extract(epoch FROM stretch.to_at - stretch.from_at),
                coalesce(CASE stretch.mode WHEN 'CHARGE' THEN charged.measured_s
                    WHEN 'DISCHARGE' THEN discharged.measured_s
                    ELSE greatest(charged.measured_s, discharged.measured_s) END, 0)
            ))::double precision AS measured_s,
            sum(charged.wh) AS charged_wh, sum(discharged.wh) AS discharged_wh, sum(compared.wh) AS compared_wh,
            sum(own.wh) AS own_wh, sum(own.wh) FILTER (WHERE stretch.has_setpoint) AS own_at_setpoint_wh,
            bool_or(stretch.has_setpoint) AS has_setpoint
        FROM stretch
        LEFT JOIN grown AS charged ON charged.number = stretch.number AND charged.direction = 'CHARGE'
        LEFT JOIN grown AS discharged ON discharged.number = stretch.number AND discharged.direction = 'DISCHARGE'
        LEFT JOIN grown AS own ON own.number = stretch.number AND own.direction = stretch.mode
        LEFT JOIN compared ON compared.number = stretch.number
        GROUP BY stretch.command_id
    ), heard AS (
        SELECT reading.command_id, count(*) FILTER (WHERE reading.is_inside) AS samples,
            max(reading.measured_at) AS newest_at,
            min(extract(epoch FROM reading.received_at - reading.measured_at)) FILTER (WHERE reading.is_inside)
                ::double precision AS clock_skew_s
        FROM reading GROUP BY reading.command_id
    ), standing AS MATERIALIZED (
        SELECT command.command_id, known.until, fleet.data_standing(
            measured.asked_until, known.until, measured.asked_s, measured.measured_s, measured.began_at
        ) AS word
        FROM fleet.commands AS command
        LEFT JOIN fleet.telemetry_latest AS latest ON latest.thing_name = command.thing_name
        LEFT JOIN measured ON measured.command_id = command.command_id
        LEFT JOIN heard ON heard.command_id = command.command_id
        CROSS JOIN LATERAL (SELECT greatest(heard.newest_at, latest.measured_at) AS until) AS known
        WHERE command.command_id = ANY (p_command_ids)
    ), mark AS (
        SELECT stretch.number, stretch.command_id, stretch.from_at AS at, stretch.to_at FROM stretch
        UNION ALL
        SELECT reading.number, reading.command_id, reading.measured_at, reading.to_at FROM reading
        WHERE reading.is_inside
    ), silence AS (
        SELECT beside.command_id, beside.at, beside.next_at FROM (
            SELECT mark.command_id, mark.at, lead(mark.at, 1, CASE
                WHEN standing.word NOT IN ('late', 'on_its_way') THEN mark.to_at -- what is still to come is no gap
            END) OVER (PARTITION BY mark.number ORDER BY mark.at) AS next_at
            FROM mark JOIN standing USING (command_id)
        ) AS beside WHERE beside.next_at - beside.at > p_gap
    ), gap AS (
        SELECT silence.command_id, count(*) AS gaps,
            sum(extract(epoch FROM silence.next_at - silence.at))::double precision AS total_s,
            jsonb_agg(
                jsonb_build_object('starts_at', silence.at, 'ends_at', silence.next_at) ORDER BY silence.at
            ) AS listed
        FROM silence GROUP BY silence.command_id
    ), first AS (
        SELECT DISTINCT ON (revision.command_id) revision.command_id,
            CASE WHEN revision.flip_status = 'OK' THEN revision.setpoint_w ELSE revision.setpoint_w * 0 END
            * extract(epoch FROM least(revision.ends_at, revision.starts_at + interval '48 hours') - revision.starts_at)
            ::double precision / 3600 AS wh, revision.ends_at IS NULL AS is_endless
        FROM fleet.command_revisions AS revision WHERE revision.command_id = ANY (p_command_ids)
        ORDER BY revision.command_id, revision.revision
    ), sought AS (
        SELECT ask.command_id,
            sum(ask.setpoint_w * extract(epoch FROM ask.to_at - ask.from_at)::double precision / 3600) AS wh
        FROM ask GROUP BY ask.command_id
    )
    SELECT command.command_id, CASE WHEN NOT first.is_endless THEN first.wh END,
        CASE WHEN sought.command_id IS NOT NULL THEN sought.wh WHEN command.starts_at <= now() THEN first.wh * 0 END,
        measured.compared_wh, CASE WHEN measured.has_setpoint THEN measured.own_at_setpoint_wh ELSE measured.own_wh END,
        measured.charged_wh, measured.discharged_wh, measured.asked_s,
        measured.measured_s,
        measured.asked_until, standing.until, standing.word,
        CASE WHEN measured.command_id IS NOT NULL THEN coalesce(heard.samples, 0) END, heard.clock_skew_s,
        CASE WHEN measured.command_id IS NOT NULL THEN coalesce(gap.gaps, 0) END,
        CASE WHEN measured.command_id IS NOT NULL THEN coalesce(gap.total_s, 0) END,
        CASE WHEN measured.command_id IS NOT NULL THEN coalesce(gap.listed, '[]') END
    FROM fleet.commands AS command
    JOIN standing ON standing.command_id = command.command_id
    LEFT JOIN first ON first.command_id = command.command_id
    LEFT JOIN sought ON sought.command_id = command.command_id
    LEFT JOIN measured ON measured.command_id = command.command_id
    LEFT JOIN heard ON heard.command_id = command.command_id
    LEFT JOIN gap ON gap.command_id = command.command_id
    WHERE command.command_id = ANY (p_command_ids);
END
$$;
COMMENT ON FUNCTION fleet.command_energies IS
    'Of each of these commands, those that are visible: what Flip asked for at first (its whole window), what was '
    'asked as it was changed and up to now, and over the time that is measured what was asked '
    '(asked_while_measured_wh) and what the battery delivered in the mode''s direction (measured_energy_wh). Wh, s, '
    'by the battery''s clock. window_end: the end of what was asked, now at the latest; known_until: the battery''s '
    'newest sample; data_standing: see there. Gaps are times above p_gap without a sample. NULL: there is no energy '
    'in it, or nothing was measured.';

REVOKE ALL ON FUNCTION
    fleet.command_energies(text[], interval),
    fleet.data_standing(timestamptz, timestamptz, double precision, double precision, timestamptz)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    fleet.command_energies(text[], interval),
    fleet.data_standing(timestamptz, timestamptz, double precision, double precision, timestamptz)
TO authenticated;
