"""docs/aws.md from its first command to its last, by a reader who does what it says and a homeowner at a browser."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from fleet.adapters.aws import client
from fleet.settings import Settings
from local_cloud import keeper, servers
from local_cloud.flip.steering import Steering
from local_cloud.supabase.keys import read_keys
from local_cloud.webhook_route import on_this_machine
from tests.conftest import FLIP_ADMIN_TOKEN, FLIP_TOKEN, FLIP_WEBHOOK_SECRET, free_port, running_aws
from tests.database_server import DatabaseServer
from tests.e2e.guide import Reader, sections
from tests.e2e.visitor import Visitor
from tests.homeowner_world import HomeownerWorld
from tests.supabase_project import SupabaseProject

pytestmark = pytest.mark.e2e
CHECKOUT = Path(__file__).parents[2]
PAGE = CHECKOUT / "docs" / "aws.md"
NOT_OF_A_CHECKOUT = shutil.ignore_patterns(
    ".git", ".venv*", ".fleet", ".env", ".terraform*", "__pycache__", "test-output", "*.sqlite3", "web"
)
EMAIL = "me@example.org"
INHERITED = ("PATH", "LANG", "TMPDIR", "CI", keeper.VARIABLE)
"""What a reader's shell has besides; by the last one what it starts ends with this process, however that ends."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A checkout and an environment as `make install` leaves them, and nothing else."""
    home = tmp_path / "checkout"
    shutil.copytree(CHECKOUT, home, ignore=NOT_OF_A_CHECKOUT)
    (home / ".venv").symlink_to(CHECKOUT / ".venv")
    return home


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Settings]:
    """An AWS account with nothing in it, by its owner's credentials."""
    with running_aws(tmp_path / "aws") as settings:
        yield settings


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[str]:
    """The address of Flip's sandbox, which knows nobody."""
    port = free_port()
    with servers.flip(tmp_path / "flip.db", tmp_path / "logs", port, FLIP_TOKEN, FLIP_ADMIN_TOKEN, FLIP_WEBHOOK_SECRET):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def flip(sandbox: str) -> Iterator[Steering]:
    """Flip's side of the sandbox."""
    steering = Steering(sandbox, FLIP_ADMIN_TOKEN)
    yield steering
    steering.close()


@pytest.fixture
def world(account: Settings, database_server: DatabaseServer, tmp_path: Path) -> Iterator[HomeownerWorld]:
    """A new Supabase project and the account, by their owner's credentials."""
    port, base_url = free_port(), f"http://127.0.0.1:{free_port()}"
    with database_server.database() as url:
        settings = account.model_copy(update={"database_url": SecretStr(url), "base_url": base_url})
        with servers.supabase(tmp_path / "supabase", tmp_path / "logs", port, settings, base_url):
            # The stand-in verifies its sender, as no hosted project does: on this page Terraform has it done.
            client(account, "ses").delete_identity(Identity=settings.sender_email)
            keys = read_keys(tmp_path / "supabase")
            reached = {"supabase_url": f"http://127.0.0.1:{port}", "supabase_anon_key": SecretStr(keys.anon_key)}
            settings = settings.model_copy(update=reached)
            yield HomeownerWorld(settings, SupabaseProject(settings, SecretStr(keys.service_role_key), keys), "")


@pytest.fixture
def reader(home: Path, account: Settings, world: HomeownerWorld, sandbox: str, tmp_path: Path) -> Iterator[Reader]:
    """Who reads the page. Their environment says where the services are; what the page asks for they fill in."""
    settings, prefect_port = world.settings, free_port()
    (aws_folder := tmp_path / ".aws").mkdir()
    secret = account.aws_secret_access_key.get_secret_value()
    (aws_folder / "credentials").write_text(
        f"[admin]\naws_access_key_id = {account.aws_access_key_id}\naws_secret_access_key = {secret}\n"
    )
    environment = {
        **{name: value for name, value in os.environ.items() if name in INHERITED},
        "HOME": str(tmp_path),
        "AWS_ENDPOINT_URL": account.aws_endpoint_url,
        "FLEET_IOT_ENDPOINT": account.iot_endpoint,
        "FLEET_IOT_PORT": str(account.iot_port),
        "FLEET_IOT_CA_FILE": str(account.iot_ca_file),
        "FLEET_FLIP_BASE_URL": sandbox,
        "PREFECT_SERVER_API_PORT": str(prefect_port),
        "STREAMLIT_SERVER_PORT": settings.base_url.rpartition(":")[2],
        "PYTHONUNBUFFERED": "1",
    }
    values = {
        "AWS_REGION": account.aws_region,
        "FLEET_SENDER_EMAIL": "fleet@example.com",
        "FLEET_ALARM_EMAIL": "alarms@example.com",
        "FLEET_BASE_URL": settings.base_url,
        "DATABASE_URL": settings.require_database_url(),
        "SUPABASE_URL": settings.supabase_url,
        "SUPABASE_ANON_KEY": settings.supabase_anon_key.get_secret_value(),
        "FLEET_FLIP_TOKEN": FLIP_TOKEN,
        "PREFECT_API_URL": f"http://127.0.0.1:{prefect_port}/api",
        "PREFECT_API_AUTH_STRING": "operator:of-the-page",
        "PREFECT_SERVER_API_AUTH_STRING": "operator:of-the-page",
        "FLEET_FLIP_WEBHOOK_SECRET": FLIP_WEBHOOK_SECRET,
    }
    with Reader(home, environment, values) as reader:
        yield reader


def give_flip_the_address(reader: Reader, flip: Steering, account: Settings) -> None:
    outputs = json.loads((reader.folder / ".fleet" / "outputs.json").read_text())
    flip.deliver_webhooks(url=on_this_machine(outputs["webhook_url"], account.aws_endpoint_url))


def enroll(link: str, homeowner: Visitor) -> None:
    homeowner.register(link, EMAIL)
    homeowner.sees("Flip knows your battery.", within_s=150)
    homeowner.page.get_by_text("See the programs and apply").click()
    homeowner.unfold("Terms, questions and applying")
    homeowner.page.get_by_role("radiogroup", name="Do you own your home?").get_by_text("Yes", exact=True).click()
    homeowner.fill("Size of your solar system, kW", "6.5")
    homeowner.fill("Meter number", "M-1234")
    homeowner.page.get_by_text("I have read the terms and agree to them.").click()
    homeowner.press("Apply")
    homeowner.sees("Your programs", within_s=150)
    homeowner.sees("Active", within_s=150)


def wait_until_flip_has_no_battery(flip: Steering) -> None:
    deadline = time.monotonic() + 150
    while not any(one["method"] == "DELETE" and "/device/" in one["path"] for one in flip.received("requests")):
        assert time.monotonic() < deadline, "Flip was not told that the battery is gone"
        time.sleep(0.5)


def nothing() -> None:
    """No act of a person's."""


def left_in(account: Settings) -> dict[str, list[object]]:
    """All that AWS lists of what the page had made, by what was asked."""
    asked = {
        "iot": {
            "list_things": "things", "list_certificates": "certificates", "list_policies": "policies",
            "list_thing_types": "thingTypes", "list_thing_groups": "thingGroups", "list_topic_rules": "rules",
        },
        "sqs": {"list_queues": "QueueUrls"},
        "s3": {"list_buckets": "Buckets"},
        "dynamodb": {"list_tables": "TableNames"},
        "iam": {"list_users": "Users", "list_roles": "Roles"},
        "sns": {"list_topics": "Topics"},
        "cloudwatch": {"describe_alarms": "MetricAlarms"},
        "ses": {"list_identities": "Identities"},
        "apigateway": {"get_rest_apis": "items"},
    }  # fmt: skip
    found = {
        f"{service}.{call}": getattr(client(account, service), call)().get(listed, [])
        for service, calls in asked.items()
        for call, listed in calls.items()
    }
    return {call: listed for call, listed in found.items() if listed}


@pytest.mark.timeout(1200)
def test_the_page_leads_from_an_empty_account_to_an_enrolled_battery_and_back_to_nothing(
    reader: Reader, account: Settings, flip: Steering, visit: Callable[..., Visitor]
) -> None:
    acts: dict[str, Callable[[], None]] = {
        "Flip's webhooks": lambda: give_flip_the_address(reader, flip, account),
        "The homeowner": lambda: enroll(reader.said[-1].strip(), visit()),
        "The battery retires": lambda: wait_until_flip_has_no_battery(flip),
        "Nothing runs any more": lambda: reader.stop(""),
    }
    before: dict[str, Callable[[], None]] = {
        "Flip's webhooks": lambda: reader.stop("flows.serve"),
        "The battery retires": lambda: reader.stop("device-agent"),
    }
    assert left_in(account) == {}
    for section in sections(PAGE):
        before.pop(section.title, nothing)()
        for block in section.blocks:
            reader.do(block)
            acts.pop(section.title, nothing)()  # what a person does comes after the first command
    assert not acts and not before, "a section of the page has another title"
    assert left_in(account) == {}
    assert flip.received("webhooks"), "Flip told nothing"
