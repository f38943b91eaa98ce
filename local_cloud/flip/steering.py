"""Steers a running stand-in: the command line makes events with it, tests also faults and outages."""

from datetime import datetime
from typing import Any

import httpx

from fleet.errors import InvalidInput, NotFound, Unavailable


class Steering:
    """The stand-in at `base_url`, with its own token. Raises `InvalidInput` with its words, `Unavailable` when down."""

    def __init__(self, base_url: str, admin_token: str) -> None:
        headers = {"Authorization": f"Bearer {admin_token}"}
        self._http = httpx.Client(base_url=base_url, headers=headers, timeout=10, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def create_event(self, **event: Any) -> dict[str, list[str]]:
        """Make an event; the ids of its events (one a site) and commands (one a device).

        Takes `starts_at` (with offset) or `start_in_s`, `duration_s`, `mode`, `power_mode`, `setpoint_w` (W),
        `backup_reserve_percentage`, `enable_grid_import`, `device_ids` (None: all).
        """
        body = {name: v.isoformat() if isinstance(v, datetime) else v for name, v in event.items()}
        made: dict[str, list[str]] = self.ask("POST", "events", body)
        return made

    def cancel_event(self, event_id: str) -> None:
        """Take the event back."""
        self.ask("POST", f"events/{event_id}/cancel")

    def received(self, what: str) -> list[dict[str, Any]]:
        """`telemetry`, `acknowledgements`, `commands` (as Flip counts them), `events`, `webhooks`, `requests` ..."""
        found: list[dict[str, Any]] = self.ask("GET", what)
        return found

    def deliver_webhooks(self, **delivery: Any) -> None:
        """`url`, and for tests the other fields of `Delivery`."""
        self.ask("PUT", "webhooks", delivery)

    def speak(self, generation: str) -> None:
        """Write as the pages of 2025 (the newest) or 2024 have it."""
        self.ask("PUT", "generation", {"generation": generation})

    def ask_for_settings(self, **settings: Any) -> dict[str, Any]:
        """Send a `settings.apply` webhook; the request that it is about."""
        asked: dict[str, Any] = self.ask("POST", "settings", settings)
        return asked

    def settle_enrollments_after(self, seconds: float) -> None:
        """Keep applications PENDING for so long; 0 decides them at once."""
        self.ask("PUT", "enrollments", {"settle_after_s": seconds})

    def decide_enrollment(self, enrollment_id: str, status: str, reason: str | None = None) -> None:
        """Give an enrollment a status, such as REJECTED."""
        self.ask("PATCH", f"enrollments/{enrollment_id}", {"status": status, "status_reason": reason})

    def inject(self, **fault: Any) -> None:
        """`path`, `status`, `times`, `latency_s`, `retry_after_s`, `method`, `is_after`, `body`, `text`: a `Fault`."""
        self.ask("POST", "faults", fault)

    def heal(self) -> None:
        """No more faults, no outage."""
        self.ask("DELETE", "faults")

    def outage(self, is_out: bool) -> None:
        """All of the API answers 503, until it does not."""
        self.ask("PUT", "outage", {"is_out": is_out})

    def advance(self, seconds: float) -> None:
        """Set the stand-in's clock ahead."""
        self.ask("POST", "clock", {"advance_s": seconds})

    def reset(self) -> None:
        """Forget everything."""
        self.ask("POST", "reset")

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """One call to the steering surface."""
        try:
            answer = self._http.request(method, f"/_standin/{path}", json=body)
        except httpx.TransportError as error:
            raise Unavailable("The Flip stand-in does not answer: start the embedded cloud (make up).") from error
        if not answer.is_success:
            kind = NotFound if answer.status_code == httpx.codes.NOT_FOUND else InvalidInput
            raise kind(f"The Flip stand-in refused: {_problem(answer)}")
        return answer.json() if answer.content else None


def _problem(answer: httpx.Response) -> str:
    """What the answer says, as a sentence: `detail` is one, or a list of fields with what is wrong of each."""
    try:
        detail = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        return answer.text[:500]
    if isinstance(detail, str):
        return detail
    return "; ".join(f"{one['loc'][-1]}: {one['msg']}" for one in detail) + "."
