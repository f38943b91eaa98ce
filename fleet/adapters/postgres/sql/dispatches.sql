-- name: latest
-- The dispatches (commands of one start, end and mode) of the latest start, or of that start, with their batteries' parts.
WITH wanted AS (
    SELECT starts_at, ends_at, mode, array_agg(command_id) AS command_ids FROM fleet.commands
    WHERE %(starts_at)s::timestamptz IS NULL OR starts_at = %(starts_at)s
    GROUP BY starts_at, ends_at, mode
    ORDER BY starts_at DESC, ends_at DESC NULLS FIRST, mode LIMIT %(limit)s
)
SELECT wanted.starts_at, wanted.ends_at, wanted.mode, command.thing_name, command.state::text AS state,
    command.flip_status, energies.asked_first_energy_wh, energies.asked_energy_wh, energies.asked_while_measured_wh,
    energies.measured_energy_wh, energies.data_standing, energies.known_until
FROM wanted
CROSS JOIN LATERAL fleet.command_energies(wanted.command_ids, interval '3 minutes') AS energies
JOIN fleet.commands AS command ON command.command_id = energies.command_id
ORDER BY wanted.starts_at DESC, wanted.ends_at DESC NULLS FIRST, wanted.mode, command.thing_name, command.command_id
