"""The factory of this project's account: what the settings and IoT Core say of every artifact folder."""

from fleet import topics
from fleet.adapters.aws.iot_core import data_endpoint, trust_anchor
from fleet.provisioning.steps import Factory
from fleet.services.command_key import command_key
from fleet.settings import Settings


def factory_of(settings: Settings) -> Factory:
    """What every artifact folder has in common. Asks AWS for the endpoint where the settings do not name it.

    Raises `NotConfigured` when the trust anchor cannot be read or no command key is set, and what AWS calls raise.
    """
    rule = settings.names.telemetry_rule
    return Factory(
        folder=settings.artifacts_dir,
        endpoint=settings.iot_endpoint or data_endpoint(settings),
        port=settings.iot_port,
        region=settings.aws_region,
        ca_pem=trust_anchor(settings),
        command_key=command_key(settings),
        telemetry_topic=lambda thing_name: topics.basic_ingest_topic(rule, thing_name),
        commands_topic=topics.commands_topic,
    )
