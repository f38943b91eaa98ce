-- name: known_things
-- Which of these names are in the ledger, and of the few that are not listened to at any time from when to when, in
-- milliseconds since 1970. In and out as one text with commas: a list of values costs four times as much. One by one, out
-- of the index: of a few hundred names in a fleet of 100,000, PostgreSQL would rather read all of that (OFFSET 0 forbids it).
SELECT string_agg(thing_name, ',') FILTER (WHERE is_always_heard) AS always,
    jsonb_object_agg(thing_name, jsonb_build_array(
        floor(extract(epoch FROM heard_from) * 1000)::bigint, floor(extract(epoch FROM silenced_at) * 1000)::bigint
    )) FILTER (WHERE NOT is_always_heard) AS at_times
FROM (
    SELECT thing_name, heard_from, silenced_at,
        silenced_at IS NULL AND heard_from <= 'epoch' AS is_always_heard
    FROM string_to_table(%(thing_names)s, ',') AS named (thing_name) CROSS JOIN LATERAL (
        SELECT heard_from, silenced_at FROM fleet.devices WHERE devices.thing_name = named.thing_name OFFSET 0
    ) AS of_one
) AS device

-- name: certificates
-- All certificates that these devices ever had, with when each ended (milliseconds since 1970), as one text likewise.
SELECT string_agg(concat(thing_name, '=', certificates), ',') AS held FROM (
    SELECT thing_name, of_one.certificates
    FROM string_to_table(%(thing_names)s, ',') AS named (thing_name) CROSS JOIN LATERAL (
        SELECT string_agg(
            concat(certificate_id, ':', floor(extract(epoch FROM ended_at) * 1000)::bigint), ';'
        ) AS certificates
        FROM fleet.certificates WHERE certificates.thing_name = named.thing_name
    ) AS of_one
    WHERE of_one.certificates IS NOT NULL
) AS device

-- name: count_stored
-- What is stored of the whole fleet.
SELECT coalesce(sum(samples), 0)::bigint AS samples, count(DISTINCT thing_name) AS devices
FROM (
    SELECT thing_name, samples FROM fleet.telemetry_chunks UNION ALL SELECT thing_name, 1 FROM fleet.telemetry_rows
) AS stored
