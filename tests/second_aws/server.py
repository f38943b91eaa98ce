"""`python -m tests.second_aws.server --port N`: moto's server, with what it lacks and we cannot do without.

Each is answered as AWS documents it, and kept no longer than the process. To be dropped once moto has it.
"""

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from moto import server
from moto.apigateway.exceptions import StageStillActive
from moto.apigateway.models import RestAPI
from moto.iot.models import IoTBackend
from moto.iot.responses import IoTResponse
from moto.sqs.models import Queue

_ISSUER, _KEY = (
    x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "moto")]),
    ec.generate_private_key(ec.SECP256R1()),
)

_logging_options: dict[str, Any] = {"disableAllLogs": True}


def list_tags_for_resource(_: IoTResponse) -> str:
    """IoT's ListTagsForResource. Nothing of ours is tagged."""
    return json.dumps({"tags": []})


def get_v2_logging_options(_: IoTResponse) -> str:
    """IoT's GetV2LoggingOptions."""
    return json.dumps(_logging_options)


def set_v2_logging_options(response: IoTResponse) -> str:
    """IoT's SetV2LoggingOptions."""
    _logging_options.clear()
    _logging_options.update({"disableAllLogs": False} | json.loads(response.body))
    return "{}"


def create_certificate_from_csr(backend: IoTBackend, csr: str, set_as_active: bool) -> Any:
    """A certificate for the key that the request is for: moto makes one for a key of its own."""
    request, now = x509.load_pem_x509_csr(csr.encode()), datetime.now(UTC)
    builder = x509.CertificateBuilder(_ISSUER, request.subject, request.public_key(), x509.random_serial_number())
    certificate = builder.not_valid_before(now).not_valid_after(now + timedelta(days=365)).sign(_KEY, hashes.SHA256())
    pem = certificate.public_bytes(Encoding.PEM).decode()
    return backend.register_certificate(pem, ca_certificate_pem=None, set_as_active=set_as_active, status="INACTIVE")


def keep_redrive_allow_policies() -> None:
    """SQS's attribute RedriveAllowPolicy."""
    Queue.redrive_allow_policy = None
    Queue.BASE_ATTRIBUTES.append("RedriveAllowPolicy")


def delete_deployment(api: RestAPI, deployment_id: str) -> Any:
    """API Gateway's DeleteDeployment: refused while a stage points to it. moto asks which stage it was made for."""
    if deployment_id in {stage.deployment_id for stage in api.stages.values()}:
        raise StageStillActive()
    return api.deployments.pop(deployment_id)


if __name__ == "__main__":
    for answer in (list_tags_for_resource, get_v2_logging_options, set_v2_logging_options):
        setattr(IoTResponse, answer.__name__, answer)
    keep_redrive_allow_policies()
    RestAPI.delete_deployment = delete_deployment
    IoTBackend.create_certificate_from_csr = create_certificate_from_csr
    server.main(["--host", "127.0.0.1", *sys.argv[1:]])
