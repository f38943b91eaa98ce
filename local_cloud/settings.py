"""Settings of the embedded cloud: ports, and how large the demo is."""

from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from fleet.errors import NotConfigured
from fleet.settings import STATE_DIR


class LocalSettings(BaseSettings):
    """What the laptop's cloud needs beyond `fleet.settings`; every field is `FLEET_` and its name in capitals."""

    model_config = SettingsConfigDict(env_prefix="FLEET_", env_ignore_empty=True, extra="ignore")

    state_dir: Path = Field(STATE_DIR, description="Folder of all local state.")
    aws_port: int = Field(4566, ge=1, le=65535, description="Port of the local AWS endpoint.")
    mqtt_port: int = Field(8883, ge=1, le=65535, description="Port that devices connect to.")
    prefect_port: int = Field(4200, ge=1, le=65535, description="Port of the Prefect server and its UI.")
    supabase_port: int = Field(54321, ge=1, le=65535, description="Port of the Supabase stand-in.")
    flip_port: int = Field(4010, ge=1, le=65535, description="Port of Flip's stand-in.")
    web_port: int = Field(8501, ge=1, le=65535, description="Port of the web app.")
    devices: int = Field(10, ge=1, le=1_000, description="Batteries of the demo.")
    ingest_every_s: float = Field(30, ge=10, le=3600, description="Interval of ingest-telemetry, seconds.")

    prefect_runs_kept_h: float = Field(
        48, ge=2, description="Hours that the embedded Prefect keeps finished runs and events."
    )

    @property
    def ports(self) -> dict[str, int]:
        """Every port that is listened on, by the variable that moves it."""
        return {
            "FLEET_AWS_PORT": self.aws_port,
            "FLEET_MQTT_PORT": self.mqtt_port,
            "FLEET_PREFECT_PORT": self.prefect_port,
            "FLEET_SUPABASE_PORT": self.supabase_port,
            "FLEET_FLIP_PORT": self.flip_port,
            "FLEET_WEB_PORT": self.web_port,
        }


def get_local_settings() -> LocalSettings:
    """The local settings of this process. Raises `NotConfigured` with one sentence a bad value."""
    try:
        return LocalSettings()
    except ValidationError as error:
        problems = [f"FLEET_{str(problem['loc'][0]).upper()}: {problem['msg']}." for problem in error.errors()]
        raise NotConfigured(" ".join(problems)) from error
