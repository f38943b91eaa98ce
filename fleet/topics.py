"""MQTT topics of the fleet: one place that spells them."""


def basic_ingest_topic(rule: str, thing_name: str) -> str:
    """The topic that reaches `rule` without passing the broker: no fee for the message, no subscriber sees it.

    Source: AWS IoT Core, "Reducing messaging costs with Basic Ingest"; the prefix is not part of `topic()`.
    """
    return f"$aws/rules/{rule}/devices/{thing_name}/telemetry"


def commands_topic(thing_name: str) -> str:
    """The topic on which the cloud sends commands to one device."""
    return f"devices/{thing_name}/commands"


def certificate_topic(thing_name: str) -> str:
    """The topic on which the cloud asks one device for a certificate request, and gives it the certificate."""
    return f"devices/{thing_name}/certificate"
