"""IoT Core: things, certificates and what ties them together."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import certifi
from botocore.config import Config
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from fleet.adapters import aws
from fleet.devices import ThingName, certificate_public_key_sha256
from fleet.errors import Conflict, NotConfigured, NotFound
from fleet.provisioning.steps import Certificate
from fleet.registration.link import RegisteredCertificate
from fleet.settings import Settings

_CLOCK_MARGIN = timedelta(minutes=15)
"""How far AWS's clock and ours may be apart when an orphaned certificate is looked for."""


_LISTS_AT_ONCE = 8


class IotCore:
    """The registry of provisioning. One client, safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        self._names = settings.names
        self._client = aws.client(settings, "iot")
        # A lost answer to CreateCertificateFromCsr must not be retried blindly: each call makes a certificate.
        self._client_once = aws.client(settings, "iot", Config(retries={"total_max_attempts": 1}))

    def create_certificate(self, csr_pem: str) -> Certificate:
        """An active certificate for the request's key. Never retried here: look for an orphan first."""
        with aws.translated("to create a certificate"):
            answer = self._client_once.create_certificate_from_csr(certificateSigningRequest=csr_pem, setAsActive=True)
        return Certificate(answer["certificateId"], answer["certificateArn"], answer["certificatePem"])

    def certificate(self, certificate_id: str) -> Certificate:
        """The certificate of that id, or `NotFound`."""
        with aws.translated(f"to read the certificate {certificate_id}"):
            found = self._client.describe_certificate(certificateId=certificate_id)["certificateDescription"]
        return Certificate(found["certificateId"], found["certificateArn"], found["certificatePem"])

    def find_certificate(
        self, public_key_sha256: str, since: datetime, unknown: Callable[[list[str]], set[str]]
    ) -> Certificate | None:
        """The certificate with that public key among those made after `since` that are `unknown` to the ledger."""
        for page in self._newest_certificates(since - _CLOCK_MARGIN):
            for certificate_id in unknown(page):
                certificate = self.certificate(certificate_id)
                if certificate_public_key_sha256(certificate.pem) == public_key_sha256:
                    return certificate
        return None

    def certificates_of(self, name: ThingName) -> list[str]:
        """ARNs of the certificates attached to a thing; empty if there is no such thing."""
        try:
            with aws.translated(f"to list the certificates of {name}"):
                return list(self._client.list_thing_principals(thingName=name.value)["principals"])
        except NotFound:
            return []

    def register(self, name: ThingName, model: str, certificate: Certificate) -> None:
        """The thing with its type and group, and the certificate with its policy, attached to the thing."""
        names = self._names
        with aws.translated(f"to register {name}"):
            self._create_thing(name, model)
            self._client.add_thing_to_thing_group(thingGroupName=names.thing_group, thingName=name.value)
        self.attach(name, certificate)

    def attach(self, name: ThingName, certificate: Certificate) -> None:
        """Give a thing one more certificate, with the devices' policy. May be repeated."""
        with aws.translated(f"to give {name} a certificate"):
            self._client.attach_policy(policyName=self._names.device_policy, target=certificate.arn)
            self._client.attach_thing_principal(thingName=name.value, principal=certificate.arn)

    def set_status(self, certificate_id: str, is_active: bool) -> None:
        """Let in who shows this certificate from now on, or not; an open connection may outlive that by minutes."""
        with aws.translated(f"to change the certificate {certificate_id}"):
            self._client.update_certificate(
                certificateId=certificate_id, newStatus="ACTIVE" if is_active else "INACTIVE"
            )

    def retire(self, name: ThingName, *certificate_ids: str) -> None:
        """Deactivate and delete these certificates of the device, and delete its thing. May be repeated."""
        for certificate_id in certificate_ids:
            self.end_certificate(certificate_id, name)
        with aws.translated(f"to delete the thing {name}"):
            self._client.delete_thing(thingName=name.value)

    def things(self) -> frozenset[str]:
        """The names of all things of the fleet's group."""
        found: set[str] = set()
        with aws.translated("to list the things"):
            pages = self._client.get_paginator("list_things_in_thing_group")
            for page in pages.paginate(thingGroupName=self._names.thing_group):
                found.update(page["things"])
        return frozenset(found)

    def certificates(self) -> dict[str, tuple[bool, frozenset[str]]]:
        """The certificates with the devices' policy, by id: whether each is active, and the things it is attached to.

        A call a certificate, some at once.
        """
        with aws.translated("to list the certificates"):
            pages = self._client.get_paginator("list_targets_for_policy").paginate(policyName=self._names.device_policy)
            targets = [target for page in pages for target in page["targets"]]
            listed = self._client.get_paginator("list_certificates").paginate()
            every = [each for page in listed for each in page["certificates"]]
        ours = {target.rpartition("/")[2]: target for target in targets if ":cert/" in target}
        active = {each["certificateId"] for each in every if each["status"] == "ACTIVE"}
        with ThreadPoolExecutor(_LISTS_AT_ONCE) as pool:
            things = list(pool.map(self._things_of, ours.values()))
        return {each: (each in active, found) for each, found in zip(ours, things, strict=True)}

    def _things_of(self, certificate_arn: str) -> frozenset[str]:
        try:
            with aws.translated("to list the things of a certificate"):
                return frozenset(self._client.list_principal_things(principal=certificate_arn)["things"])
        except NotFound:
            return frozenset()

    def end_certificate(self, certificate_id: str, *names: ThingName) -> None:
        """Deactivate one certificate, take it off these things, and delete it. May be repeated."""
        try:
            arn = self.certificate(certificate_id).arn
        except NotFound:
            return
        with aws.translated(f"to delete the certificate {certificate_id}"):
            self._client.update_certificate(certificateId=certificate_id, newStatus="INACTIVE")
            self._client.detach_policy(policyName=self._names.device_policy, target=arn)
            for name in names:
                if arn in self.certificates_of(name):
                    self._client.detach_thing_principal(thingName=name.value, principal=arn)
            self._client.delete_certificate(certificateId=certificate_id)

    def _create_thing(self, name: ThingName, model: str) -> None:
        try:
            self._client.create_thing(
                thingName=name.value,
                thingTypeName=self._names.thing_type,
                attributePayload={"attributes": {"model": model}},
            )
        except self._client.exceptions.ResourceAlreadyExistsException:
            # There with other attributes: the order's win.
            self._client.update_thing(
                thingName=name.value,
                thingTypeName=self._names.thing_type,
                attributePayload={"attributes": {"model": model}, "merge": True},
            )
        except self._client.exceptions.ResourceNotFoundException as error:
            raise Conflict(
                f"There is no thing type {self._names.thing_type}: run apply_infrastructure first."
            ) from error

    def _newest_certificates(self, since: datetime) -> Iterator[list[str]]:
        marker: dict[str, Any] = {}
        while True:
            with aws.translated("to list the certificates"):
                answer = self._client.list_certificates(pageSize=250, ascendingOrder=False, **marker)
            recent = [found for found in answer["certificates"] if found["creationDate"] >= since]
            if recent:
                yield [found["certificateId"] for found in recent]
            if len(recent) < len(answer["certificates"]) or not answer.get("nextMarker"):
                return
            marker = {"marker": answer["nextMarker"]}


class IdentityReader:
    """What the web app may ask of IoT Core: who signed a registration link. Safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        self._client = aws.client(settings, "iot")

    def certificate(self, certificate_id: str) -> RegisteredCertificate | None:
        """The certificate with its status and the things that it is attached to; None if there is none of that id."""
        try:
            with aws.translated("to read the certificate of a registration link"):
                answer = self._client.describe_certificate(certificateId=certificate_id)
                found = answer["certificateDescription"]
                things = self._client.list_principal_things(principal=found["certificateArn"])["things"]
        except NotFound:
            return None
        return RegisteredCertificate(
            found["certificateId"], found["certificatePem"], found["status"], frozenset(things)
        )

    def model(self, thing_name: str) -> str:
        """The device's model as it was provisioned, empty if it has none. Raises `NotFound` for no such thing."""
        with aws.translated(f"to read the thing {thing_name}"):
            return str(self._client.describe_thing(thingName=thing_name).get("attributes", {}).get("model", ""))


def data_endpoint(settings: Settings) -> str:
    """The host that this account's devices connect to, and that messages to them are given to."""
    with aws.translated("to find the device endpoint"):
        answer = aws.client(settings, "iot").describe_endpoint(endpointType="iot:Data-ATS")
    return str(answer["endpointAddress"])


def trust_anchor(settings: Settings) -> bytes:
    """The roots, PEM, by which a device knows IoT Core. Raises `NotConfigured` for a file of them that is not there."""
    if settings.iot_ca_file is None:
        return _amazon_roots()
    try:
        return settings.iot_ca_file.read_bytes()
    except OSError as error:
        raise NotConfigured(f"FLEET_IOT_CA_FILE cannot be read: {error}") from error


def _amazon_roots() -> bytes:
    """Amazon Root CA 1 to 4, out of the bundle of roots that certifi keeps."""
    with open(certifi.where(), "rb") as bundle:  # noqa: PTH123
        roots = x509.load_pem_x509_certificates(bundle.read())
    amazon = [root for root in roots if "CN=Amazon Root CA" in root.subject.rfc4514_string()]
    return b"".join(root.public_bytes(Encoding.PEM) for root in amazon)
