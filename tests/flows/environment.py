"""Settings as the environment of another process."""

from fleet.settings import Settings


def environment_of(settings: Settings) -> dict[str, str]:
    """What a process needs to have these settings."""
    return {
        "FLEET_PROJECT": settings.project,
        "FLEET_STATE_DIR": str(settings.state_dir),
        "FLEET_ARTIFACTS_DIR": str(settings.artifacts_dir),
        "FLEET_IOT_ENDPOINT": settings.iot_endpoint,
        "FLEET_IOT_PORT": str(settings.iot_port),
        "FLEET_IOT_CA_FILE": str(settings.iot_ca_file),
        "FLEET_COMMAND_KEY": settings.command_key.get_secret_value(),
        "FLEET_COMMAND_PUBLIC_KEY": settings.command_public_key,
        "FLEET_PROVISIONING_RATE_PER_S": str(settings.provisioning_rate_per_s),
        "FLEET_TERRAFORM_DIR": str(settings.terraform_dir),
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "AWS_ENDPOINT_URL": settings.aws_endpoint_url,
        "AWS_ACCESS_KEY_ID": settings.aws_access_key_id,
        "AWS_SECRET_ACCESS_KEY": settings.aws_secret_access_key.get_secret_value(),
        "AWS_REGION": settings.aws_region,
    }
