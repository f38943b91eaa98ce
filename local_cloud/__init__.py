"""The embedded default: AWS, PostgreSQL and Prefect as local processes. Only the CLI and tests import it."""
