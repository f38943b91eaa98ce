"""The peer in Python, as it is usually written: boto3, ten messages at a time, executemany, delete."""

import json
import os
import resource
from datetime import UTC, datetime
from typing import Any

import boto3
import psycopg

COLUMNS = os.environ["BENCH_COLUMNS"].split(",")
INSERT = (
    f"INSERT INTO fleet.telemetry_rows ({', '.join(COLUMNS)}) VALUES ({', '.join(f'%({name})s' for name in COLUMNS)})"  # noqa: S608
    " ON CONFLICT DO NOTHING"
)


def rows(body: str) -> list[dict[str, Any]]:
    """The samples of a message as rows."""
    message = json.loads(body)
    received_at = datetime.fromtimestamp(message["received_at_ms"] / 1000, tz=UTC)
    return [{**each, "thing_name": message["thing_name"], "received_at": received_at} for each in message["samples"]]


def cpu_s() -> float:
    """What this process used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Work off the queue and print what it took."""
    url, left = os.environ["BENCH_QUEUE_URL"], int(os.environ["BENCH_MESSAGES"])
    sqs = boto3.client("sqs")
    with psycopg.connect(os.environ["BENCH_DATABASE"]) as connection:
        before = cpu_s()
        while left > 0:
            received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
            if not received:
                continue
            with connection.cursor() as cursor:
                cursor.executemany(INSERT, [row for each in received for row in rows(each["Body"])])
            connection.commit()
            entries = [{"Id": str(n), "ReceiptHandle": each["ReceiptHandle"]} for n, each in enumerate(received)]
            sqs.delete_message_batch(QueueUrl=url, Entries=entries)
            left -= len(received)
        print(json.dumps({"cpu_s": cpu_s() - before}))


if __name__ == "__main__":
    main()
