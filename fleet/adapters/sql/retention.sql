-- name: used_links
-- Links that bound a battery and are over for good: from an hour after its end on a link is refused for its age.
DELETE FROM fleet.used_links WHERE expires_at < %(now)s - interval '1 day'

-- name: flip_requests
-- What homeowners asked of Flip, long after it ended.
DELETE FROM fleet.flip_requests WHERE finished_at < %(before)s

-- name: rollups
-- Five-minute rollups by the device's clock, through each device's own part of the index.
DELETE FROM fleet.telemetry_5min AS rollup USING fleet.devices AS device
WHERE rollup.thing_name = device.thing_name AND rollup.interval_start < %(before)s
