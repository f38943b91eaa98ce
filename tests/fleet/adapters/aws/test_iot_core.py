"""What the web app learns from IoT Core about who signed a link, with the web role's rights and no others."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from fleet.adapters import aws
from fleet.adapters.aws.iot_core import IdentityReader, IotCore
from fleet.devices import KEY_FILE, ThingName, certificate_request, write_private_key
from fleet.errors import NotFound, Refused
from fleet.infrastructure.names import InfrastructureNames
from fleet.provisioning.steps import Certificate
from fleet.registration.link import (
    CertificateInactive,
    LinkRefusal,
    NotAttached,
    UnknownCertificate,
    VerifiedLink,
    issue_link,
    verify_link,
)
from fleet.settings import Settings

pytestmark = pytest.mark.integration

APP = "https://app.example.com"


@dataclass(frozen=True)
class Device:
    """A battery that was provisioned in the emulator."""

    name: ThingName
    certificate: Certificate
    key_file: Path

    def token(self) -> str:
        key, link_id = self.key_file.read_bytes(), "0123456789abcdefghijkl"
        url = issue_link(key, self.name, self.certificate.certificate_id, APP, datetime.now(UTC), link_id)
        return url.partition("=")[2]


@pytest.fixture
def provision(resources: Settings, folder: Path) -> Callable[[str], Device]:
    def provision(name: str) -> Device:
        key_file = folder / f"{name}-{KEY_FILE}"
        write_private_key(key_file)
        registry, thing = IotCore(resources), ThingName(name)
        certificate = registry.create_certificate(certificate_request(key_file, thing))
        registry.register(thing, "home-10", certificate)
        return Device(thing, certificate, key_file)

    return provision


@pytest.fixture(scope="module")
def web_settings(resources: Settings) -> Settings:
    """The settings of the web app: credentials of its role."""
    role = InfrastructureNames(resources.project).roles["web"]
    arn = aws.client(resources, "iam").get_role(RoleName=role)["Role"]["Arn"]
    assumed = aws.client(resources, "sts").assume_role(RoleArn=arn, RoleSessionName="web")["Credentials"]
    credentials = {
        "aws_access_key_id": assumed["AccessKeyId"],
        "aws_secret_access_key": SecretStr(assumed["SecretAccessKey"]),
        "aws_session_token": SecretStr(assumed["SessionToken"]),
    }
    return resources.model_copy(update=credentials)


@pytest.fixture(scope="module")
def reader(web_settings: Settings) -> IdentityReader:
    return IdentityReader(web_settings)


def judged(reader: IdentityReader, device: Device) -> VerifiedLink | LinkRefusal:
    certificate = reader.certificate(device.certificate.certificate_id)
    return verify_link(device.token(), APP, certificate, datetime.now(UTC))


def test_a_provisioned_batterys_link_is_verified(reader: IdentityReader, provision: Callable[[str], Device]) -> None:
    device = provision("reader-1")
    found = reader.certificate(device.certificate.certificate_id)
    assert found
    assert (found.status, found.thing_names, found.pem) == ("ACTIVE", {"reader-1"}, device.certificate.pem)
    verified = judged(reader, device)
    assert isinstance(verified, VerifiedLink)
    assert verified.thing_name == "reader-1"
    assert reader.model("reader-1") == "home-10"


def test_what_iot_core_does_not_know_is_none(reader: IdentityReader) -> None:
    assert reader.certificate("0" * 64) is None
    with pytest.raises(NotFound):
        reader.model("reader-none")


def test_a_certificate_that_was_deactivated_or_detached_is_refused(
    resources: Settings, reader: IdentityReader, provision: Callable[[str], Device]
) -> None:
    device, iot = provision("reader-2"), aws.client(resources, "iot")
    iot.update_certificate(certificateId=device.certificate.certificate_id, newStatus="INACTIVE")
    assert judged(reader, device) == CertificateInactive()
    iot.update_certificate(certificateId=device.certificate.certificate_id, newStatus="ACTIVE")
    iot.detach_thing_principal(thingName="reader-2", principal=device.certificate.arn)
    assert judged(reader, device) == NotAttached()


def test_a_retired_batterys_link_is_refused(
    resources: Settings, reader: IdentityReader, provision: Callable[[str], Device]
) -> None:
    device = provision("reader-3")
    IotCore(resources).retire(device.name, device.certificate.certificate_id)
    assert judged(reader, device) == UnknownCertificate()


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("create_thing", {"thingName": "made-by-the-web-app"}),
        ("update_certificate", {"certificateId": "0" * 64, "newStatus": "ACTIVE"}),
        ("attach_thing_principal", {"thingName": "reader-1", "principal": "arn:aws:iot:us-east-1:0:cert/x"}),
        ("list_things", {}),
        ("list_certificates", {}),
    ],
)
def test_the_web_app_may_do_nothing_else_in_iot_core(
    web_settings: Settings, call: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(Refused), aws.translated(f"to call {call}"):
        getattr(aws.client(web_settings, "iot"), call)(**arguments)
