"""`python -m tests.faults.served NAME ...`: serves these deployments as `flows.serve` does, ingestion as the demo."""

import sys

from flows.serve import deployments, serve_until_stopped

INGEST_EVERY_S = 30

if __name__ == "__main__":
    serve_until_stopped([one for one in deployments(INGEST_EVERY_S) if one.name in sys.argv[1:]])
