"""Webhooks as Flip posts them: signed, again until they are answered, twice or out of order where that is asked for."""

import asyncio
import base64
import hmac
import json
import random
import secrets
import time
from datetime import UTC, datetime
from typing import Annotated, Literal
from urllib.parse import urlsplit

import httpx
from pydantic import AfterValidator, BaseModel, Field
from standardwebhooks import Webhook

from local_cloud.flip.access import is_loopback
from local_cloud.flip.clock import Clock
from local_cloud.flip.shapes import generation_of, written
from local_cloud.flip.state import Document, State

_AT_ONCE = 32
_IDLE_S = 0.02


def _loopback_only(url: str) -> str:
    parts = urlsplit(url)
    if url and (parts.scheme not in {"http", "https"} or not is_loopback(parts.hostname or "")):
        raise ValueError("webhooks go to this machine only: use an address such as http://127.0.0.1:PORT/path")
    return url


class Delivery(BaseModel):
    """Where webhooks go and how badly. `url` empty: none are made. `retry_delays_s`: waits before the redeliveries.

    `signed_time`: which timestamp the signature is made over, the header's or the text of the body's.
    `is_suspended` stands once a delivery was given up, where `suspends` says so: then nothing more is delivered.
    """

    url: Annotated[str, AfterValidator(_loopback_only)] = ""
    retry_delays_s: Annotated[list[Annotated[float, Field(ge=0)]], Field(max_length=4)] = [2, 10, 30, 60]
    answer_within_s: Annotated[float, Field(gt=0, le=5)] = 5
    duplicates: Annotated[int, Field(ge=0, le=5)] = 0
    reorder_within_s: Annotated[float, Field(ge=0, le=60)] = 0
    seed: int = 0
    signed_time: Literal["header", "body"] = "header"
    suspends: bool = False
    is_suspended: bool = False


class Outbox:
    """Webhooks that are to be posted; they outlive a restart. The signature's time is the real one, always."""

    def __init__(self, state: State, clock: Clock, secret: str) -> None:
        self._state, self._clock, self._signer = state, clock, Webhook(secret)
        self._key = base64.b64decode(secret.removeprefix("whsec_"))
        self._in_flight: set[int] = set()
        self.configure(Delivery.model_validate(state.get("setting", "webhooks") or {}))

    def configure(self, delivery: Delivery) -> None:
        """From here on deliver so."""
        self.delivery, self._random = delivery, random.Random(delivery.seed)  # noqa: S311 - order, not secrecy
        self._state.put("setting", {"id": "webhooks", **delivery.model_dump()})

    def post(self, event_type: str, event_object: Document) -> None:
        """Have it delivered; fields that begin with an underscore are the stand-in's own and stay here."""
        if not self.delivery.url or self.delivery.is_suspended:
            return
        kind = event_type.partition(".")[0]
        shown = written(kind, event_object, generation_of(self._state))
        body = json.dumps({"event_type": event_type, "event_object": shown, "timestamp": self._clock.text()})
        webhook_id = f"msg_{secrets.token_hex(12)}"
        for _ in range(1 + self.delivery.duplicates):
            due_at = time.time() + self._random.random() * self.delivery.reorder_within_s
            self._state.connection.execute(
                "INSERT INTO deliveries (webhook_id, event_type, body, due_at) VALUES (?, ?, ?, ?)",
                (webhook_id, event_type, body, due_at),
            )

    def deliveries(self) -> list[Document]:
        """Every delivery, in the order made: `due_at` None means that it is over."""
        rows = self._state.connection.execute("SELECT * FROM deliveries ORDER BY number")
        return [dict(row) for row in rows]

    async def run(self) -> None:
        """Deliver what is due, for ever; a slow receiver holds up no other delivery."""
        async with httpx.AsyncClient(timeout=10, trust_env=False) as http, asyncio.TaskGroup() as tasks:
            while True:
                for delivery in self._due():
                    self._in_flight.add(delivery["number"])
                    tasks.create_task(self._deliver(http, delivery))
                await asyncio.sleep(_IDLE_S)

    def _due(self) -> list[Document]:
        if not self.delivery.url or self.delivery.is_suspended:
            return []
        rows = self._state.connection.execute(
            "SELECT * FROM deliveries WHERE due_at <= ? ORDER BY due_at, number LIMIT ?", (time.time(), _AT_ONCE)
        )
        waiting = [dict(row) for row in rows if row["number"] not in self._in_flight]
        return waiting[: _AT_ONCE - len(self._in_flight)]

    async def _deliver(self, http: httpx.AsyncClient, delivery: Document) -> None:
        try:
            # Flip's limit is on the whole answer, httpx's on each step of it.
            async with asyncio.timeout(self.delivery.answer_within_s):
                answer = await http.post(self.delivery.url, content=delivery["body"], headers=self._headers(delivery))
            is_taken, status = answer.status_code in {200, 204}, str(answer.status_code)
        except (httpx.HTTPError, TimeoutError) as error:
            is_taken, status = False, type(error).__name__
        finally:
            self._in_flight.discard(delivery["number"])
        self._note(delivery, is_taken, status)

    def _headers(self, delivery: Document) -> dict[str, str]:
        now = datetime.now(UTC)
        return {
            "Content-Type": "application/json",
            "Webhook-Id": delivery["webhook_id"],
            "Webhook-Timestamp": str(int(now.timestamp())),
            "Webhook-Signature": self._signature(delivery, now),
        }

    def _signature(self, delivery: Document, now: datetime) -> str:
        if self.delivery.signed_time == "header":
            return self._signer.sign(delivery["webhook_id"], now, delivery["body"])
        stamp = json.loads(delivery["body"])["timestamp"]
        signed = f"{delivery['webhook_id']}.{stamp}.{delivery['body']}"
        return "v1," + base64.b64encode(hmac.digest(self._key, signed.encode(), "sha256")).decode()

    def _note(self, delivery: Document, is_taken: bool, status: str) -> None:
        attempts, delays = delivery["attempts"] + 1, self.delivery.retry_delays_s
        again = not is_taken and attempts <= len(delays)
        if not is_taken and not again and self.delivery.suspends:
            self.configure(self.delivery.model_copy(update={"is_suspended": True}))
        due_at = time.time() + delays[attempts - 1] if again else None
        self._state.connection.execute(
            "UPDATE deliveries SET attempts = ?, due_at = ?, last_status = ? WHERE number = ?",
            (attempts, due_at, status, delivery["number"]),
        )
