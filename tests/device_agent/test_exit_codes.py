"""Each wrong input ends the agent with its own code and one sentence, and never with a stack trace."""

import shutil
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fleet.devices import CA_FILE, CERTIFICATE_FILE, COMMAND_KEY_FILE, DEVICE_FILE, KEY_FILE

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def device(cloud) -> Path:
    """One good artifact folder, to be copied and spoiled."""
    return cloud.new_device()


@pytest.fixture
def copy(device, tmp_path) -> Path:
    target = tmp_path / device.name
    shutil.copytree(device, target)
    return target


def ends_with(agent, code: int, *words: str) -> None:
    assert agent.process.wait(timeout=40) == code, agent.says()
    last = agent.says().strip().splitlines()[-1]
    assert "CRITICAL" in last
    assert all(word in last for word in words), last
    assert "Traceback" not in agent.says()


def self_signed(folder: Path, subject: str) -> bytes:
    """A certificate for the folder's key that no authority knows."""
    key = serialization.load_pem_private_key((folder / KEY_FILE).read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
    signed = builder.not_valid_after(now + timedelta(days=1)).sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize("arguments", [(), ("fly",), ("run",), ("run", ".", "--mode", "DANCE"), ("simulate",)])
def test_wrong_usage_ends_with_2(start_agent, arguments) -> None:
    agent = start_agent(*arguments)
    assert agent.process.wait(timeout=20) == 2
    assert "usage" in agent.says()


@pytest.mark.parametrize(
    ("option", "value"),
    [("--sample-interval", "0"), ("--publish-interval", "-1"), ("--sample-interval", "nan"), ("--max-samples", "0"),
     ("--spool-max-bytes", "5"), ("--keep-alive", "5"), ("--reserve-pct", "120")],
)  # fmt: skip
def test_a_value_that_cannot_work_ends_with_2(copy, start_agent, option, value) -> None:
    ends_with(start_agent("run", copy, option, value), 2)


@pytest.mark.parametrize("where", ["option", "file"])
def test_a_battery_that_no_driver_knows_ends_with_2(cloud, copy, start_agent, where) -> None:
    if where == "file":
        cloud.change(copy, battery="sunspeck:10.0.0.7")
        ends_with(start_agent("run", copy), 2, "'sunspeck'", "simulation")
    else:
        cloud.change(copy, battery="simulation")
        ends_with(start_agent("run", copy, "--battery", "sunspeck:10.0.0.7"), 2, "'sunspeck'", "simulation")


def test_more_devices_than_folders_end_with_2(device, start_agent) -> None:
    ends_with(start_agent("simulate", "--folders", device.parent, "--count", 100_000), 2, "provision more")


@pytest.mark.parametrize("name", [DEVICE_FILE, KEY_FILE, CERTIFICATE_FILE, CA_FILE, COMMAND_KEY_FILE])
def test_a_missing_file_ends_with_3_and_is_named(copy, start_agent, name) -> None:
    (copy / name).unlink()
    ends_with(start_agent("run", copy), 3, name, "missing")


@pytest.mark.parametrize("content", [b"", b"{", b"\x00\xff", b"[]", b'{"thing_name": "a/b"}'])
def test_unusable_json_ends_with_3(copy, start_agent, content) -> None:
    (copy / DEVICE_FILE).write_bytes(content)
    ends_with(start_agent("run", copy), 3, DEVICE_FILE)


def test_a_certificate_of_another_key_ends_with_3(cloud, copy, start_agent) -> None:
    shutil.copy(cloud.new_device() / CERTIFICATE_FILE, copy / CERTIFICATE_FILE)
    ends_with(start_agent("run", copy), 3, CERTIFICATE_FILE, "was not issued for")


def test_a_ca_file_that_is_no_certificate_ends_with_3(copy, start_agent) -> None:
    (copy / CA_FILE).write_text("no certificate")
    ends_with(start_agent("run", copy), 3, CA_FILE)


def test_another_endpoints_ca_ends_with_3(copy, start_agent) -> None:
    (copy / CA_FILE).write_bytes(self_signed(copy, "another authority"))
    ends_with(start_agent("run", copy), 3, CA_FILE, "vouches")


def test_a_certificate_that_nobody_registered_ends_with_4(copy, start_agent) -> None:
    (copy / CERTIFICATE_FILE).write_bytes(self_signed(copy, copy.name))
    ends_with(start_agent("run", copy, "--reconnect-max", "1"), 4)


def test_an_inactive_certificate_ends_with_4(cloud, start_agent) -> None:
    folder = cloud.new_device()
    certificate = cloud.config(folder)["certificate_id"]
    cloud.client("iot").update_certificate(certificateId=certificate, newStatus="INACTIVE")
    ends_with(start_agent("run", folder, "--reconnect-max", "1"), 4, "activate its certificate")


def test_another_things_certificate_ends_with_4(cloud, copy, start_agent) -> None:
    other = cloud.new_device()
    cloud.change(copy, thing_name=other.name)
    ends_with(start_agent("run", copy), 4, other.name, "NOT_AUTHORIZED")


def test_a_topic_beyond_the_policy_ends_with_4(cloud, copy, start_agent) -> None:
    cloud.change(copy, telemetry_topic=f"devices/{copy.name}/elsewhere")
    ends_with(start_agent("run", copy), 4, "telemetry", "NOT_AUTHORIZED")


def test_no_network_ends_with_5_only_if_asked(cloud, copy, start_agent) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        cloud.change(copy, port=nobody.getsockname()[1])
        ends_with(start_agent("run", copy, "--connect-timeout", "1"), 5, "was not reached")


def test_a_spool_in_use_ends_with_6(device, start_agent, eventually) -> None:
    first = start_agent("run", device)
    eventually(lambda: "connected" in first.says(), "connected")
    ends_with(start_agent("run", device), 6, "in use by another agent")
    assert first.stop() == 0


def test_a_damaged_spool_ends_with_3_and_is_left_alone(copy, start_agent) -> None:
    (copy / "spool.sqlite3").write_bytes(b"not a database" * 1000)
    ends_with(start_agent("run", copy), 3, "damaged")
    assert (copy / "spool.sqlite3").read_bytes() == b"not a database" * 1000


def test_one_sample_can_be_sent_and_the_process_ends(cloud, start_agent) -> None:
    folder = cloud.new_device()
    agent = start_agent("run", folder, "--once")
    assert agent.process.wait(timeout=30) == 0, agent.says()
    assert list(cloud.samples(folder.name)) == [1]
