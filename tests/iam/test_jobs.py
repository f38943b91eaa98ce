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

from fleet.adapters.aws import client, credentials, temporary_credentials, translated
from fleet.adapters.aws.identities import Identities
from fleet.adapters.aws.iot_core import IotCore
from fleet.adapters.aws.sqs import Queue
from fleet.devices import ThingName
from fleet.errors import FleetError, NotConfigured, NotFound, Refused
from fleet.infrastructure.names import InfrastructureNames
from fleet.infrastructure.outputs import load_outputs, save_outputs
from fleet.settings import Settings
from fleet.topics import certificate_topic, commands_topic
from local_cloud.identities import ensure_deployer, operator_access_key, web_access_key, with_key
from tasks import jobs
from tasks.jobs import Job, settings_of

pytestmark = pytest.mark.integration
Ask = Callable[[Settings, Settings], Any]
"""What somebody wants of AWS, with settings of theirs; the second are the account's owner's, to make room for it."""


@pytest.fixture(scope="module")
def operator(resources: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The settings of a machine that may take on roles, and whose tasks do."""
    key = operator_access_key(resources, tmp_path_factory.mktemp("operator") / "key")
    return with_key(resources, key).model_copy(update={"assume_job_roles": True})


@pytest.fixture
def machine(operator: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The same, as the settings of this process."""
    settings = operator
    monkeypatch.setattr(jobs, "get_settings", lambda: settings)
    return settings


def receive(queue: str) -> Ask:
    def ask(settings: Settings, owner: Settings) -> Any:
        name = getattr(settings.names, queue)
        with Queue(owner, name) as ours:
            client(owner, "sqs").send_message(QueueUrl=ours.url, MessageBody="{}")
        try:
            with Queue(settings, name) as found:
                found.delete(found.receive(10, wait_s=1))
        finally:
            client(owner, "sqs").purge_queue(QueueUrl=ours.url)

    return ask


def iot(method: str, **arguments: Any) -> Ask:
    return lambda settings, _: getattr(client(settings, "iot"), method)(**arguments)


def publish(settings: Settings, _: Settings) -> Any:
    return client(settings, "iot-data").publish(topic=commands_topic("battery-1"), qos=0, payload=b"{}")


def count(settings: Settings, _: Settings) -> Any:
    """How many messages each queue of the fleet holds."""
    names = settings.names
    dead = (names.telemetry_dead_letter_queue, names.rule_error_queue, names.webhook_dead_letter_queue)
    for name in (names.telemetry_queue, names.webhook_queue, *dead):
        with Queue(settings, name) as queue:
            queue.depth()


def write(settings: Settings, _: Settings) -> Any:
    bucket = load_outputs(settings.state_dir).archive_bucket
    return client(settings, "s3").put_object(Bucket=bucket, Key="telemetry/of-a-test", Body=b"")


ASKS: dict[str, Ask] = {
    "receive telemetry": receive("telemetry_queue"),
    "receive webhooks": receive("webhook_queue"),
    "make a thing": iot("create_thing", thingName="battery-of-a-role"),
    "delete a thing": iot("delete_thing", thingName="battery-that-there-is-not"),
    "delete a certificate": iot("delete_certificate", certificateId="a" * 64),
    "write to the archive": write,
    "count messages": count,
    "tell a battery": publish,
    "read a certificate": iot("describe_certificate", certificateId="a" * 64),
    "give a battery a certificate": lambda settings, _: client(settings, "iot-data").publish(
        topic=certificate_topic("battery-1"), qos=0, payload=b"{}"
    ),
    "cut a battery off": lambda settings, _: client(settings, "iot-data").delete_connection(clientId="battery-1"),
    "list the batteries": lambda settings, _: client(settings, "iot").list_things_in_thing_group(
        thingGroupName=settings.names.thing_group
    ),
    "delete a policy": iot("delete_policy", policyName="flip-fleet-device"),
    "make a user": lambda settings, _: client(settings, "iam").create_user(UserName="somebody"),
}
MAY: dict[str, set[str]] = {
    "provisioning": {"make a thing", "read a certificate", "give a battery a certificate"},
    "retirement": {
        "delete a thing",
        "delete a certificate",
        "read a certificate",
        "cut a battery off",
        "list the batteries",
    },
    "ingestion": {"receive telemetry"},
    "webhooks": {"receive webhooks"},
    "dispatch": {"tell a battery"},
    "storage": {"write to the archive"},
    "watching": {"count messages"},
}


def test_every_job_is_in_the_table() -> None:
    assert set(MAY) == set(get_args(Job))


def done_by(settings: Settings, owner: Settings) -> set[str]:
    """What of the table somebody was let do."""
    done = set()
    for what, ask in ASKS.items():
        try:
            with translated(f"to {what}"):
                ask(settings, owner)
        except Refused:
            continue
        except NotFound:
            pass  # allowed, and there is none
        done.add(what)
    return done


@pytest.mark.parametrize("job", MAY)
def test_a_job_may_do_what_is_its_own_and_nothing_else(machine: Settings, resources: Settings, job: Job) -> None:
    assert done_by(settings_of(job), resources) == MAY[job]


def test_the_role_of_a_worker_may_do_what_its_jobs_may(resources: Settings) -> None:
    role = InfrastructureNames(resources.project).roles["worker"]
    worker = resources.model_copy(update={"aws_role_arn": Identities(resources).arn("role", role)})
    assert done_by(worker, resources) == MAY["dispatch"] | MAY["storage"] | MAY["watching"] | MAY["webhooks"]


def test_the_machine_itself_may_do_nothing_of_it(machine: Settings, resources: Settings) -> None:
    assert done_by(machine, resources) == set()


def test_the_web_app_may_check_who_signed_a_link_and_nothing_else(resources: Settings, tmp_path: Path) -> None:
    by_role = resources.model_copy(update={"aws_role_arn": load_outputs(resources.state_dir).web_role_arn})
    by_key = with_key(resources, web_access_key(resources, tmp_path / "key"))
    assert done_by(by_role, resources) == done_by(by_key, resources) == {"read a certificate"}


def taken_on(settings: Settings, role_arn: str) -> bool:
    try:
        temporary_credentials(settings.model_copy(update={"aws_role_arn": role_arn}))
    except Refused:
        return False
    return True


def test_the_machine_may_take_on_the_roles_of_its_jobs_and_the_deployers_and_no_other(
    machine: Settings, resources: Settings
) -> None:
    deployer, outputs = ensure_deployer(resources), load_outputs(resources.state_dir)
    jobs_roles = {getattr(outputs, f"{job}_role_arn") for job in get_args(Job)}
    others = {deployer.replace("deployer", other) for other in ("rule", "web", "webhook-gateway")}
    assert {role for role in jobs_roles | others | {deployer} if taken_on(machine, role)} == jobs_roles | {deployer}


def test_the_deployer_works_for_no_job_and_gives_rights_to_none_but_the_projects_own(
    machine: Settings, resources: Settings
) -> None:
    deployer = machine.model_copy(update={"aws_role_arn": ensure_deployer(resources)})
    iam = client(deployer, "iam")
    everything = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'
    asks: dict[str, Ask] = {
        **{what: ask for what, ask in ASKS.items() if what != "delete a policy"},  # that is its own, and others need it
        "give itself more": lambda *_: iam.put_role_policy(
            RoleName="flip-fleet-deployer", PolicyName="more", PolicyDocument=everything
        ),
        "give the machine more": lambda *_: iam.put_user_policy(
            UserName="flip-fleet-operator", PolicyName="more", PolicyDocument=everything
        ),
        "make a key": lambda *_: iam.create_access_key(UserName="flip-fleet-operator"),
        "take on a role": lambda *_: client(deployer, "sts").assume_role(
            RoleArn=load_outputs(resources.state_dir).storage_role_arn, RoleSessionName="deployer"
        ),
    }
    for what, ask in asks.items():
        with pytest.raises(Refused), translated(f"to {what}"):
            ask(deployer, resources)


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
