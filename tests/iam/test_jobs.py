"""Each job under its own role: what its flow needs, and nothing that is another's."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from fleet.adapters.aws import client, credentials, translated
from fleet.adapters.aws.iot_core import IotCore
from fleet.adapters.aws.sqs import Queue
from fleet.devices import ThingName
from fleet.errors import FleetError, NotConfigured, NotFound, Refused
from fleet.infrastructure.outputs import load_outputs, save_outputs
from fleet.settings import Settings
from fleet.topics import commands_topic
from tasks import jobs
from tasks.jobs import Job, settings_of

pytestmark = pytest.mark.integration
Ask = Callable[[Settings], Any]


@pytest.fixture
def machine(resources: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of a machine whose tasks take on their jobs' roles."""
    settings = resources.model_copy(update={"assume_job_roles": True})
    monkeypatch.setattr(jobs, "get_settings", lambda: settings)
    return settings


def receive(queue: str) -> Ask:
    def ask(settings: Settings) -> Any:
        name = getattr(settings.names, queue)
        sender = settings.model_copy(update={"aws_role_arn": ""})
        with Queue(sender, name) as ours:
            client(sender, "sqs").send_message(QueueUrl=ours.url, MessageBody="{}")
        try:
            with Queue(settings, name) as found:
                found.delete(found.receive(10, wait_s=1))
        finally:
            client(sender, "sqs").purge_queue(QueueUrl=ours.url)

    return ask


def iot(method: str, **arguments: Any) -> Ask:
    return lambda settings: getattr(client(settings, "iot"), method)(**arguments)


def publish(settings: Settings) -> Any:
    return client(settings, "iot-data").publish(topic=commands_topic("battery-1"), qos=0, payload=b"{}")


def write(settings: Settings) -> Any:
    bucket = load_outputs(settings.state_dir).archive_bucket
    return client(settings, "s3").put_object(Bucket=bucket, Key="telemetry/of-a-test", Body=b"")


ASKS: dict[str, Ask] = {
    "receive telemetry": receive("telemetry_queue"),
    "receive webhooks": receive("webhook_queue"),
    "make a thing": iot("create_thing", thingName="battery-of-a-role"),
    "delete a thing": iot("delete_thing", thingName="battery-that-there-is-not"),
    "delete a certificate": iot("delete_certificate", certificateId="a" * 64),
    "write to the archive": write,
    "tell a battery": publish,
    "delete a policy": iot("delete_policy", policyName="flip-fleet-device"),
    "make a user": lambda settings: client(settings, "iam").create_user(UserName="somebody"),
}
MAY: dict[str, set[str]] = {
    "provisioning": {"make a thing"},
    "retirement": {"delete a thing", "delete a certificate"},
    "ingestion": {"receive telemetry"},
    "webhooks": {"receive webhooks"},
    "dispatch": {"tell a battery"},
    "storage": {"write to the archive"},
}


def test_every_job_is_in_the_table() -> None:
    assert set(MAY) == set(get_args(Job))


@pytest.mark.parametrize("job", MAY)
def test_a_job_may_do_what_is_its_own_and_nothing_else(machine: Settings, job: Job) -> None:
    settings = settings_of(job)
    done = set()
    for what, ask in ASKS.items():
        try:
            with translated(f"to {what}"):
                ask(settings)
        except Refused:
            continue
        except NotFound:
            pass  # allowed, and there is none
        done.add(what)
    assert done == MAY[job]


def test_the_credentials_of_a_role_are_an_hours_and_renewed_by_themselves(machine: Settings) -> None:
    taken = credentials(settings_of("ingestion"))
    assert taken.refresh_needed(3 * 3600), "they end within three hours"
    assert not taken.refresh_needed(300)
    frozen = taken.get_frozen_credentials()
    assert frozen.token and frozen.access_key != machine.aws_access_key_id


def test_whoever_may_not_take_on_the_role_is_told_in_a_sentence(machine: Settings, monkeypatch: Any) -> None:
    stranger = settings_of("ingestion").model_copy(update={"aws_role_arn": "arn:aws:iam::000000000000:role/of-nobody"})
    with pytest.raises(FleetError, match=r"AWS refused to read .*AssumeRole"), translated("to read the thing"):
        client(stranger, "iot").describe_thing(thingName="battery-1")


def test_where_it_is_not_asked_for_the_processs_own_credentials_are_the_jobs(
    resources: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "get_settings", lambda: resources)
    assert settings_of("ingestion") is resources


def test_an_infrastructure_that_is_older_than_a_role_is_to_be_applied_again(
    resources: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    older = resources.model_copy(update={"assume_job_roles": True, "state_dir": tmp_path})
    monkeypatch.setattr(jobs, "get_settings", lambda: older)
    with pytest.raises(NotConfigured, match="apply-infrastructure"):
        settings_of("retirement")
    save_outputs(tmp_path, replace(load_outputs(resources.state_dir), retirement_role_arn=""))
    with pytest.raises(NotConfigured, match="no role for retirement"):
        settings_of("retirement")


def test_a_battery_is_made_under_one_role_and_taken_out_of_service_under_another(machine: Settings) -> None:
    name, key = ThingName("battery-of-two-roles"), ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name.value)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    maker, remover = IotCore(settings_of("provisioning")), IotCore(settings_of("retirement"))
    certificate = maker.create_certificate(request.public_bytes(Encoding.PEM).decode())
    maker.register(name, "home-13", certificate)
    assert maker.certificates_of(name) == [certificate.arn]

    with pytest.raises(Refused):
        maker.retire(name, certificate.certificate_id)
    for _ in range(2):  # it may be repeated
        remover.retire(name, certificate.certificate_id)
    with pytest.raises(NotFound):
        maker.certificate(certificate.certificate_id)
    with pytest.raises(Refused):
        remover.register(name, "home-13", certificate)
