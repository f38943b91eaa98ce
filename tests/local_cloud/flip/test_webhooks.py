"""Webhooks arrive signed, are sent again until they are answered, and only ever on this machine."""

import json
import queue
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from standardwebhooks import Webhook

from fleet.adapters.flip import FlipClient
from fleet.errors import InvalidInput
from fleet.flip import Accepted, FlipCommand, read_envelope, read_event_object
from fleet.flip.posted import Readable, read_posted
from fleet.flip.signature import Posted, SigningKeys
from fleet.settings import Settings
from local_cloud.flip.steering import Steering
from tests.conftest import FLIP_WEBHOOK_SECRET
from tests.contracts.flip_contract import violations
from tests.fleet.flip_examples import commissioning, plain_application

EVENT = {"start_in_s": 3_600, "duration_s": 600, "mode": "DISCHARGE"}


class Receiver:
    """A real server that notes what is posted to it and answers from a list, then 204."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.answering = threading.Event()
        self.answering.set()
        self.posts: queue.Queue[tuple[dict[str, str], bytes]] = queue.Queue()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/webhooks"

    def take(self, count: int) -> list[tuple[dict[str, str], bytes]]:
        """The next posts, waiting for them; each is such as Flip's contract has it."""
        taken = [self.posts.get(timeout=10) for _ in range(count)]
        for _, body in taken:
            envelope = json.loads(body)
            kind = envelope["event_type"].partition(".")[0].capitalize()
            assert violations(f"#/$defs/{kind}Webhook", envelope) == []
        return taken

    def types(self, count: int) -> list[str]:
        return [json.loads(body)["event_type"] for _, body in self.take(count)]

    def _handler(receiver) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - `self` is the handler's
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = receiver.answers.pop(0) if receiver.answers else 204
                receiver.posts.put((dict(self.headers), body))
                receiver.answering.wait(10)
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()
    thread.join()


@pytest.fixture
def fleet(flip: FlipClient, flip_server: Steering, receiver: Receiver) -> FlipClient:
    flip.commission(commissioning())
    flip_server.deliver_webhooks(url=receiver.url, retry_delays_s=[0, 0, 0, 0])
    return flip


def until(condition: Callable[[], bool]) -> None:
    """Wait for the stand-in to note what it has just done."""
    waiting = threading.Event()
    for _ in range(200):
        if condition():
            return
        waiting.wait(0.05)
    raise AssertionError("it did not come about within 10 s")


def is_over(flip_server: Steering) -> bool:
    return all(delivery["due_at"] is None for delivery in flip_server.received("webhooks"))


def test_a_command_arrives_signed_and_readable(
    fleet: FlipClient, flip_server: Steering, receiver: Receiver, flip_settings: Settings
) -> None:
    command_id = flip_server.create_event(**EVENT)["command_ids"][0]
    bodies = {}
    for headers, body in receiver.take(2):
        Webhook(flip_settings.flip_webhook_secret.get_secret_value()).verify(body, headers)
        bodies[json.loads(body)["event_type"]] = body
    assert set(bodies) == {"event.created", "command.created"}
    envelope = read_envelope(bodies["command.created"])
    assert isinstance(envelope, Accepted)
    command = read_event_object(envelope.value)
    assert isinstance(command, Accepted)
    assert isinstance(command.value, FlipCommand)
    assert (command.value.id, command.value.device_id) == (command_id, "battery-1")
    assert not [name for name in envelope.value.event_object if name.startswith("_")]


def test_a_command_starts_and_ends_on_flip_s_clock(
    fleet: FlipClient, flip_server: Steering, receiver: Receiver
) -> None:
    flip_server.create_event(**EVENT)
    receiver.take(2)
    flip_server.advance(3_600)
    assert receiver.types(1) == ["command.started"]
    flip_server.advance(600)
    assert receiver.types(1) == ["command.ended"]


def test_a_canceled_command_neither_starts_nor_ends(
    fleet: FlipClient, flip_server: Steering, receiver: Receiver
) -> None:
    made = flip_server.create_event(**EVENT)
    flip_server.cancel_event(made["event_ids"][0])
    assert sorted(receiver.types(4)) == ["command.canceled", "command.created", "event.canceled", "event.created"]
    flip_server.advance(4_300)
    fleet.enroll("site-1", plain_application())
    assert sorted(receiver.types(2)) == ["enrollment.created", "enrollment.updated"]


def test_an_opt_out_updates_event_and_command(fleet: FlipClient, flip_server: Steering, receiver: Receiver) -> None:
    made = flip_server.create_event(**EVENT)
    receiver.take(2)
    fleet.opt_out("site-1", made["event_ids"][0])
    posts = {json.loads(body)["event_type"]: json.loads(body)["event_object"] for _, body in receiver.take(2)}
    assert posts["event.updated"]["is_participating"] is False
    assert posts["command.updated"]["status"] == "OPT_OUT"


def test_a_pending_enrollment_becomes_active_after_a_while(
    fleet: FlipClient, flip_server: Steering, receiver: Receiver
) -> None:
    flip_server.settle_enrollments_after(60)
    fleet.enroll("site-1", plain_application())
    assert receiver.types(1) == ["enrollment.created"]
    flip_server.advance(60)
    _, body = receiver.take(1)[0]
    assert json.loads(body)["event_object"]["status"] == "ACTIVE"


@pytest.mark.parametrize(("generation", "signed_time"), [("2024", "body"), ("2024", "header"), ("2025", "body")])
def test_what_earlier_pages_say_can_be_had_and_is_understood(
    fleet: FlipClient, flip_server: Steering, receiver: Receiver, generation: str, signed_time: str
) -> None:
    flip_server.speak(generation)
    flip_server.deliver_webhooks(url=receiver.url, signed_time=signed_time)
    flip_server.create_event(**EVENT)
    fleet.enroll("site-1", plain_application())
    flip_server.ask_for_settings(backup_reserve_percentage=30)
    keys = SigningKeys(FLIP_WEBHOOK_SECRET, over_body_time=signed_time == "body")
    for headers, body in receiver.take(5):
        of_flip = [headers[name] for name in ("Webhook-Id", "Webhook-Timestamp", "Webhook-Signature")]
        outcome = read_posted(Posted("m", body, datetime.now(UTC), *of_flip), keys)
        assert isinstance(outcome, Readable), outcome


def test_after_a_delivery_that_was_given_up_an_earlier_flip_delivers_nothing_more(
    fleet: FlipClient, flip_server: Steering, receiver: Receiver
) -> None:
    flip_server.deliver_webhooks(url=receiver.url, retry_delays_s=[0, 0], suspends=True)
    receiver.answers = [500, 500, 500]
    flip_server.ask_for_settings()
    receiver.take(3)
    until(lambda: is_over(flip_server))
    flip_server.ask_for_settings()
    assert len(flip_server.received("webhooks")) == 1
    flip_server.deliver_webhooks(url=receiver.url)
    flip_server.ask_for_settings()
    receiver.take(1)


def test_what_is_refused_is_delivered_four_times_more_under_one_id(
    fleet: FlipClient, flip_server: Steering, receiver: Receiver
) -> None:
    flip_server.settle_enrollments_after(60)
    receiver.answers = [500, 301, 201, 404, 503]
    fleet.enroll("site-1", plain_application())
    posts = receiver.take(5)
    assert len({headers["Webhook-Id"] for headers, _ in posts}) == 1
    assert len({body for _, body in posts}) == 1
    until(lambda: is_over(flip_server))
    assert [(one["attempts"], one["last_status"]) for one in flip_server.received("webhooks")] == [(5, "503")]
    assert receiver.posts.empty()


def test_a_redelivery_ends_with_the_first_good_answer(
    fleet: FlipClient, flip_server: Steering, receiver: Receiver
) -> None:
    flip_server.settle_enrollments_after(60)
    receiver.answers = [500, 200]
    fleet.enroll("site-1", plain_application())
    receiver.take(2)
    until(lambda: is_over(flip_server))
    assert [(one["attempts"], one["last_status"]) for one in flip_server.received("webhooks")] == [(2, "200")]


def test_webhooks_come_twice_and_out_of_order_on_request(
    fleet: FlipClient, flip_server: Steering, receiver: Receiver
) -> None:
    flip_server.deliver_webhooks(url=receiver.url, duplicates=1, reorder_within_s=1, seed=3)
    for _ in range(5):
        flip_server.create_event(**EVENT)
    ids = [headers["Webhook-Id"] for headers, _ in receiver.take(20)]
    made = [delivery["webhook_id"] for delivery in flip_server.received("webhooks")]
    assert sorted(ids) == sorted(made)
    assert {ids.count(one) for one in ids} == {2}
    assert list(dict.fromkeys(ids)) != list(dict.fromkeys(made))


def test_a_receiver_that_is_down_is_tried_again_until_it_is_up(
    fleet: FlipClient, flip_server: Steering, receiver: Receiver
) -> None:
    flip_server.settle_enrollments_after(60)
    flip_server.deliver_webhooks(url="http://127.0.0.1:9/", retry_delays_s=[0, 0, 30, 30])
    fleet.enroll("site-1", plain_application())
    until(lambda: flip_server.received("webhooks")[0]["attempts"] == 3)
    assert flip_server.received("webhooks")[0]["last_status"] == "ConnectError"
    assert flip_server.received("webhooks")[0]["due_at"] is not None


def test_an_answer_that_comes_too_late_is_none(fleet: FlipClient, flip_server: Steering, receiver: Receiver) -> None:
    flip_server.settle_enrollments_after(60)
    flip_server.deliver_webhooks(url=receiver.url, retry_delays_s=[0], answer_within_s=0.2)
    receiver.answering.clear()
    fleet.enroll("site-1", plain_application())
    receiver.take(1)
    until(lambda: flip_server.received("webhooks")[0]["attempts"] == 1)
    receiver.answering.set()
    receiver.take(1)
    until(lambda: is_over(flip_server))
    assert flip_server.received("webhooks")[0]["attempts"] == 2


@pytest.mark.parametrize(
    "url", ["http://example.com/", "http://10.0.0.1/", "http://localhost.example.com/", "ftp://127.0.0.1/", "x"]
)
def test_webhooks_go_to_this_machine_only(flip_server: Steering, url: str) -> None:
    with pytest.raises(InvalidInput, match="this machine only"):
        flip_server.deliver_webhooks(url=url)
