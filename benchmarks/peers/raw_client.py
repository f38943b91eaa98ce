"""The floor: receive and delete and nothing else, by http.client with a signature written by hand; then a bare COPY.

It parses no telemetry, checks no checksum, stores nothing but rows that were packed before the clock began.
"""

import hashlib
import hmac
import http.client
import json
import os
import resource
import time
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

HEADERS = "content-type;host;x-amz-date;x-amz-target"


class Client:
    """One kept connection."""

    def __init__(self) -> None:
        self._host = urlsplit(os.environ["AWS_ENDPOINT_URL"]).netloc
        self._connection = http.client.HTTPConnection(self._host)
        self._region, self._key = os.environ["AWS_REGION"], os.environ["AWS_ACCESS_KEY_ID"]
        self._derived = f"AWS4{os.environ['AWS_SECRET_ACCESS_KEY']}".encode()
        self._day = time.strftime("%Y%m%d", time.gmtime())
        for part in (self._day, self._region, "sqs", "aws4_request"):
            self._derived = hmac.digest(self._derived, part.encode(), "sha256")

    def call(self, operation: str, payload: bytes) -> bytes:
        """Sign, send, read."""
        at, target = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()), f"AmazonSQS.{operation}"
        canonical = (
            f"POST\n/\n\ncontent-type:application/x-amz-json-1.0\nhost:{self._host}\nx-amz-date:{at}\n"
            f"x-amz-target:{target}\n\n{HEADERS}\n{hashlib.sha256(payload).hexdigest()}"
        )
        scope = f"{self._day}/{self._region}/sqs/aws4_request"
        to_sign = f"AWS4-HMAC-SHA256\n{at}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = hmac.digest(self._derived, to_sign.encode(), "sha256").hex()
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Date": at,
            "X-Amz-Target": target,
            "Authorization": f"AWS4-HMAC-SHA256 Credential={self._key}/{scope}, SignedHeaders={HEADERS}, "
            f"Signature={signature}",
        }
        self._connection.request("POST", "/", payload, headers)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{answer.status} {body[:200]!r}")
        return body


def cpu_s() -> float:
    """What this process used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def drain(client: Client, left: int) -> None:
    """Receive and delete `left` messages."""
    url = os.environ["BENCH_QUEUE_URL"]
    receive = json.dumps({"QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 1}).encode()
    while left > 0:
        received = json.loads(client.call("ReceiveMessage", receive)).get("Messages", [])
        entries = [{"Id": str(n), "ReceiptHandle": each["ReceiptHandle"]} for n, each in enumerate(received)]
        if entries:
            client.call("DeleteMessageBatch", json.dumps({"QueueUrl": url, "Entries": entries}).encode())
        left -= len(received)


def copy(packed: bytes, times: int) -> None:
    """The same rows into a table without index, in batches."""
    with psycopg.connect(os.environ["BENCH_DATABASE"]) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE bare (LIKE fleet.telemetry_chunks)")
        columns = os.environ["BENCH_CHUNK_COLUMNS"]
        for _ in range(times):
            with cursor.copy(f"COPY bare ({columns}) FROM STDIN (FORMAT binary)") as rows:
                rows.write(packed)
            connection.commit()


def main() -> None:
    """Work off the queue, copy, and print what both took."""
    packed = Path(os.environ["BENCH_PACKED_ROWS"]).read_bytes()
    before = cpu_s()
    drain(Client(), int(os.environ["BENCH_MESSAGES"]))
    copy(packed, int(os.environ["BENCH_BATCHES"]))
    print(json.dumps({"cpu_s": cpu_s() - before}))


if __name__ == "__main__":
    main()
