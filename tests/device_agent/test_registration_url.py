"""`device-agent registration-url` prints a link that verifies, without a network; an odd folder is one sentence."""

import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from device_agent.registration_url import draw_qr, registration_url
from fleet.devices import CA_FILE, CERTIFICATE_FILE, COMMAND_KEY_FILE, DEVICE_FILE, KEY_FILE
from fleet.errors import InvalidInput, NotConfigured
from fleet.registration.link import DEFAULT_BASE_URL, VerifiedLink, verify_link
from tests.link_examples import APP, NOW, battery, certificate_pem, new_key


@pytest.fixture
def device(folder: Path) -> Path:
    return battery().write_folder(folder / "battery-1")


def agent(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command as a process, in an environment that names no web app unless the test does."""
    clean = {name: value for name, value in os.environ.items() if name != "FLEET_BASE_URL"}
    command = [sys.executable, "-m", "device_agent.main", "registration-url", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=clean | environment, timeout=60, check=False)


def token_of(url: str) -> str:
    return url.strip().partition("/register?token=")[2]


@pytest.mark.parametrize("kind", ["EC P-256", "RSA 2048"])
def test_the_link_verifies_against_the_batterys_certificate(folder: Path, kind: str) -> None:
    signer = battery(kind)
    url = registration_url(signer.write_folder(folder / "device"), APP, NOW)
    verified = verify_link(token_of(url), APP, signer.certificate, NOW)
    assert isinstance(verified, VerifiedLink)
    assert verified.thing_name == "battery-1"


def test_each_link_has_an_id_of_its_own(device: Path) -> None:
    links = [battery().judged(token_of(registration_url(device, APP, NOW))) for _ in range(3)]
    assert len({link.link_id for link in links if isinstance(link, VerifiedLink)}) == 3


def test_a_folder_without_its_key_signs_nothing(device: Path) -> None:
    (device / KEY_FILE).unlink()
    with pytest.raises(NotConfigured, match=re.escape(KEY_FILE)):
        registration_url(device, APP, NOW)


def odd_files() -> dict[str, tuple[str, bytes]]:
    """What may stand where a file of the folder should be."""
    locked = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
    )
    config = b'{"thing_name": "%s", "certificate_id": "%s", "endpoint": "e", "port": 1, "region": "r", '
    config += b'"telemetry_topic": "t", "commands_topic": "c"}'
    return {
        "an empty config": (DEVICE_FILE, b""),
        "a config that is no JSON": (DEVICE_FILE, b"\x00\xff{"),
        "a config nested too deep": (DEVICE_FILE, b'{"x": ' + b"[" * 100_000),
        "a name with a slash": (DEVICE_FILE, config % (b"../../etc", b"a" * 64)),
        "a certificate id that is none": (DEVICE_FILE, config % (b"battery-1", b"<script>")),
        "an empty key": (KEY_FILE, b""),
        "a key with a password": (KEY_FILE, locked),
        "a key of another battery": (KEY_FILE, battery("EC P-256", "b").key_pem),
        "a certificate that is none": (
            CERTIFICATE_FILE,
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
        ),
        "another battery's certificate": (CERTIFICATE_FILE, certificate_pem(new_key("EC P-256")).encode()),
    }


@pytest.mark.parametrize("odd", odd_files())
def test_an_odd_folder_is_one_sentence(device: Path, odd: str) -> None:
    name, content = odd_files()[odd]
    (device / name).write_bytes(content)
    with pytest.raises(NotConfigured) as refused:
        registration_url(device, APP, NOW)
    assert str(device) in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", [DEVICE_FILE, KEY_FILE, CERTIFICATE_FILE, CA_FILE, COMMAND_KEY_FILE])
def test_a_folder_where_a_file_should_be_is_one_sentence(device: Path, name: str) -> None:
    (device / name).unlink()
    (device / name).mkdir()
    with pytest.raises(NotConfigured, match="is missing"):
        registration_url(device, APP, NOW)


def test_a_key_that_no_link_is_signed_with_is_the_folders_fault(folder: Path) -> None:
    with pytest.raises(NotConfigured, match="EC P-256"):
        registration_url(battery("EC P-384").write_folder(folder / "device"), APP, NOW)


def test_a_qr_code_is_drawn_in_blocks_with_a_quiet_zone(device: Path) -> None:
    lines = draw_qr(registration_url(device, APP, NOW), "terminal").splitlines()
    assert {character for line in lines for character in line} <= set(" █▀▄")
    assert len({len(line) for line in lines}) == 1
    assert lines[0] == "█" * len(lines[0])


def test_a_qr_code_is_written_as_a_picture(folder: Path) -> None:
    assert draw_qr("https://app.example.com", str(folder / "code.png")) == ""
    assert (folder / "code.png").read_bytes().startswith(b"\x89PNG\r\n")
    draw_qr("https://app.example.com", str(folder / "code.SVG"))
    assert ElementTree.parse(folder / "code.SVG").getroot().tag.endswith("svg")  # noqa: S314


@pytest.mark.parametrize("target", ["code.jpg", "code", "missing/code.png", "."])
def test_a_picture_that_cannot_be_written_is_refused(folder: Path, target: str) -> None:
    with pytest.raises(InvalidInput, match="--qr"):
        draw_qr("https://app.example.com", str(folder / target))


def test_the_command_prints_the_link_alone(device: Path) -> None:
    done = agent(device, "--base-url", APP)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(rf"{APP}/register\?token=\S+\n", done.stdout)


def test_the_address_comes_from_the_environment_or_is_this_machine(device: Path) -> None:
    assert agent(device, FLEET_BASE_URL=APP).stdout.startswith(f"{APP}/register?token=")
    assert agent(device).stdout.startswith(f"{DEFAULT_BASE_URL}/register?token=")


def test_the_command_draws_and_prints(device: Path, folder: Path) -> None:
    assert "▀" in agent(device, "--qr").stdout
    done = agent(device, "--qr", folder / "code.png")
    assert done.returncode == 0
    assert done.stdout.startswith(DEFAULT_BASE_URL)
    assert (folder / "code.png").exists()


def test_a_terminal_that_cannot_show_blocks_is_told_what_to_use(device: Path) -> None:
    done = agent(device, "--qr", PYTHONIOENCODING="ascii")
    assert done.returncode == 2
    assert "--qr FILE.png" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code"), [(["{folder}", "--base-url", "no address"], 2), (["{folder}/none"], 3), ([], 2)]
)
def test_the_exit_code_says_whose_mistake_it_is(device: Path, arguments: list[str], code: int) -> None:
    done = agent(*(argument.format(folder=device) for argument in arguments))
    assert (done.returncode, done.stdout) == (code, "")
    assert "Traceback" not in done.stderr


def test_the_key_is_in_nothing_that_is_printed(device: Path) -> None:
    done = agent(device, "--debug")
    body = (device / KEY_FILE).read_text().splitlines()[1]
    assert body not in done.stdout + done.stderr


def test_a_link_that_was_printed_long_ago_is_too_old(device: Path) -> None:
    url = registration_url(device, APP, NOW - timedelta(days=1))
    assert not isinstance(battery().judged(token_of(url)), VerifiedLink)
