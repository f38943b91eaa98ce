-- name: used_links
-- Links that bound a battery and are over for good.
DELETE FROM fleet.used_links WHERE expires_at < %(before)s

-- name: flip_requests
-- What homeowners asked of Flip, long after it ended.
DELETE FROM fleet.flip_requests WHERE finished_at < %(before)s

-- name: minutes
-- Rows of minutes by the device's clock, through each device's own part of the index.
DELETE FROM fleet.telemetry_minutes AS rollup USING fleet.devices AS device
WHERE rollup.thing_name = device.thing_name AND rollup.bucket_start < %(before)s

-- name: known_samples
-- Runs of samples that left for the archive so long ago that none of them comes again.
DELETE FROM fleet.telemetry_known WHERE noted_at < %(before)s

-- name: hours
-- 1-hour rollups, in the same way.
DELETE FROM fleet.telemetry_1h AS rollup USING fleet.devices AS device
WHERE rollup.thing_name = device.thing_name AND rollup.bucket_start < %(before)s
