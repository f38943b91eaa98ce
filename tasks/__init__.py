"""Prefect tasks: an adapter call and its policy (retries, timeout, rate limit, run name). Clients are built inside."""
