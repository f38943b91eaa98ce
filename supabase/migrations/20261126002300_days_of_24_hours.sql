-- A day is 24 hours, whatever zone a session has: where clocks are changed, `now() - interval '30 days'` is an hour more
-- or less than the 8,640 intervals that are counted in it.

ALTER FUNCTION public.telemetry_readiness(text) SET timezone = 'UTC';
ALTER FUNCTION public.telemetry_series(text, timestamptz, timestamptz, integer) SET timezone = 'UTC';
ALTER FUNCTION public.webhook_overview() SET timezone = 'UTC';
ALTER FUNCTION public.unexplained_overview() SET timezone = 'UTC';
