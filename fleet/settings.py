"""Every setting of the project, in one object, read from the environment.

`load_environment()` puts the environment file's values into the process environment first, so that boto3, Prefect,
Terraform and this object read the same ones. `.env` is the operator's file; the embedded cloud writes
`.fleet/local.env`, which is used only where there is no `.env`. What is already set always wins.
"""

import os
from functools import cached_property
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from dotenv import load_dotenv
from pydantic import AliasChoices, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from fleet.errors import NotConfigured
from fleet.infrastructure.names import ResourceNames
from fleet.telemetry.archive import (
    DAYS_KEPT,
    HOUR_DAYS_KEPT,
    LEAST_DAYS_KEPT,
    MINUTE_DAYS_KEPT,
    MOST_HOURS_KEPT,
)

OWN_BLOCK = "custom-webhook/flip-fleet"
"""The notification block that is made where none is named."""
_SHORTEST_SECRET = 6
"""A shorter one would be hidden in the middle of words."""
OPERATOR_FILE, STATE_DIR, LOCAL_FILE = Path(".env"), Path(".fleet"), "local.env"


class Settings(BaseSettings):
    """Empty endpoints mean the real services. A value that is missing fails where it is needed, by its name."""

    model_config = SettingsConfigDict(
        env_prefix="FLEET_",
        env_ignore_empty=True,
        extra="ignore",
        populate_by_name=True,
        str_strip_whitespace=True,  # a secret that was read from a file often ends with its line
    )

    project: str = Field("flip-fleet", description="Prefix of every AWS resource's name.")
    state_dir: Path = Field(STATE_DIR, description="Folder for local state, logs and Terraform outputs.")
    artifacts_dir: Path = Field(
        Path(".fleet/devices"),
        description="Folder that receives one artifact folder a device. Holds private keys.",
    )

    aws_region: str = Field(
        "us-east-1",
        validation_alias=AliasChoices("AWS_REGION", "AWS_DEFAULT_REGION"),
        description="Region of every AWS resource.",
    )
    aws_endpoint_url: str = Field(
        "",
        validation_alias="AWS_ENDPOINT_URL",
        description="AWS API endpoint. Empty: the real AWS. The embedded cloud sets its own.",
    )
    aws_access_key_id: str = Field(
        "",
        validation_alias="AWS_ACCESS_KEY_ID",
        description="Empty: boto3's default chain (SSO, profile, role). Else from the IAM console.",
    )
    aws_secret_access_key: SecretStr = Field(
        SecretStr(""), validation_alias="AWS_SECRET_ACCESS_KEY", description="Secret of that access key."
    )
    assume_job_roles: bool = Field(
        False,
        description="true: each task takes on its job's role, out of the outputs of apply-infrastructure. For a "
        "machine whose own credentials may do that and little else.",
    )
    aws_role_arn: str = Field(
        "",
        description="Role to take on before AWS is asked for anything; FLEET_ASSUME_JOB_ROLES names it by itself.",
    )
    deployer_role_arn: str = Field(
        "",
        description="Role that apply-infrastructure and destroy-infrastructure take on (docs/infrastructure.md). "
        "Empty: they work with the process's own credentials.",
    )
    aws_session_token: SecretStr = Field(
        SecretStr(""), validation_alias="AWS_SESSION_TOKEN", description="Session token, for temporary credentials."
    )

    iot_endpoint: str = Field(
        "", description="Host devices connect to. Empty: asked of IoT Core (`aws iot describe-endpoint`)."
    )
    iot_port: int = Field(8883, ge=1, le=65535, description="MQTT port devices connect to.")
    iot_ca_file: Path | None = Field(
        None, description="Trust anchor of that endpoint, PEM. Empty: Amazon Root CA 1 to 4."
    )

    database_url: SecretStr = Field(
        SecretStr(""),
        validation_alias="DATABASE_URL",
        description="postgresql:// address. Supabase: Project settings, Database, Connection string (session pooler).",
    )

    database_connections: int = Field(
        15,
        ge=1,
        le=10_000,
        description="Connections to the database that the flows may hold together: the pooler's pool size (Supabase: "
        "Database, Settings, Connection pooling). `fleet doctor` says how many they need.",
    )

    terraform_dir: Path = Field(Path("terraform"), description="Folder of the Terraform configuration.")
    terraform_mirror: Path | None = Field(
        None, description="Unpacked provider mirror for machines without a registry. Empty: looked for."
    )
    terraform_timeout_s: float = Field(1800, gt=0, description="A Terraform command is stopped after this, seconds.")
    terraform_lock_timeout_s: float = Field(
        60, ge=0, description="How long a plan or an apply waits for another one to end, seconds; then it says whose."
    )
    alarm_email: str = Field("", description="Address that receives alarms. Empty: alarms without a subscriber.")
    sender_email: str = Field(
        "fleet@example.com",
        description="Address that SES sends sign-in mails from; verify it in the SES console.",
    )

    provisioning_rate_per_s: float = Field(
        10,
        ge=0,
        description="Devices provisioned a second at most; IoT Core takes about 15 calls a second. 0: no limit.",
    )
    prefect_api_url: str = Field(
        "",
        validation_alias="PREFECT_API_URL",
        description="Prefect server, http://HOST:4200/api, or Cloud's workspace.",
    )
    prefect_api_key: SecretStr = Field(
        SecretStr(""), validation_alias="PREFECT_API_KEY", description="Prefect Cloud: the key of a service account."
    )
    prefect_api_auth_string: SecretStr = Field(
        SecretStr(""),
        validation_alias="PREFECT_API_AUTH_STRING",
        description="A server of your own: user:password, as its PREFECT_SERVER_API_AUTH_STRING says.",
    )

    command_key: SecretStr = Field(
        SecretStr(""),
        description="Key that commands to batteries are signed with, where they are sent from: `fleet command-key` "
        "prints one with the two below.",
    )
    command_public_key: str = Field(
        "", description="Its public half, which provisioning puts into artifact folders: batteries obey no other."
    )
    command_key_succession: str = Field(
        "",
        description="What earlier keys said of it: leads batteries that know only those to it. Printed by "
        "`fleet command-key --next`.",
    )
    notify_block: str = Field(
        OWN_BLOCK,
        description="Prefect notification block that alarms go to, TYPE/NAME. FLEET_NOTIFY_URL makes one of the types "
        "slack-webhook, ms-teams-webhook or custom-webhook; make others (e-mail, PagerDuty) in the Prefect UI.",
    )
    notify_url: SecretStr = Field(
        SecretStr(""),
        description="Address of that webhook, as Slack or Teams shows it when you make one. Empty: the block is there, "
        "or alarms notify nobody.",
    )
    alarm_repeat_hours: float = Field(
        24, gt=0, le=10_000, description="Hours after which people are told again of what is still wrong: as you like."
    )
    silent_after_minutes: float = Field(
        30, ge=5, le=100_000, description="Minutes without a message after which a battery is silent: as you like."
    )

    flip_base_url: str = Field(
        "https://api-sandbox.flip.energy",
        description="Flip's API. Production: https://api.flip.energy. The embedded cloud sets its stand-in's.",
    )
    flip_token: SecretStr = Field(
        SecretStr(""), description="Flip's client token: Flip issues one per environment when it onboards you."
    )
    flip_webhook_secret: SecretStr = Field(
        SecretStr(""),
        description="Key that Flip signs webhooks with, whsec_...: issued with the webhook's registration. "
        "While it is exchanged for a new one: both, with a comma between them.",
    )
    flip_webhook_window_s: float = Field(
        600, gt=0, description="Seconds that a webhook may have been on its way: Flip's pages say 300 and say 600."
    )
    flip_webhook_over_body_time: bool = Field(
        False,
        description="true: take signatures over the body's timestamp too. One page of Flip's has it so; try it where "
        "genuine webhooks are refused as forged.",
    )
    flip_webhook_silence_days: float = Field(
        7, ge=0, description="Days without a webhook of Flip's that operators are told of; 0: never."
    )
    supabase_url: str = Field(
        "",
        validation_alias="SUPABASE_URL",
        description="Supabase project. Project settings, Data API, Project URL. The embedded cloud sets its own.",
    )
    supabase_anon_key: SecretStr = Field(
        SecretStr(""),
        validation_alias="SUPABASE_ANON_KEY",
        description="Public key of the web app. Supabase: Project settings, API keys, anon or publishable.",
    )
    base_url: str = Field(
        "http://127.0.0.1:8501",
        description="Address of the web app as homeowners open it; registration links are made for it and no other.",
    )
    support_contact: str = Field(
        "",
        pattern=r"^([A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}|https://[A-Za-z0-9./_-]+)?$",
        description="Where homeowners reach the maker: a mail address, or an https:// address. It stands on every page "
        "and in every error. Empty: nowhere.",
    )
    app_credential: SecretStr = Field(
        SecretStr(""),
        description="What lets the web app bind a battery whose link it verified: `fleet app-credential` prints one.",
    )
    flip_request_retention_days: int = Field(
        90, ge=1, description="Days that what homeowners asked of Flip is kept after it ended: as you like."
    )
    rollup_retention_days: int = Field(
        HOUR_DAYS_KEPT,
        ge=31,
        description="Days that 1-hour rollups, which long charts read, are kept: as you like, 31 at least.",
    )
    minute_retention_days: int = Field(
        MINUTE_DAYS_KEPT,
        ge=31,
        description="Days that 1-minute rollups are kept, for charts up to 8 days: as you like, 31 at least.",
    )
    telemetry_retention_days: int = Field(
        DAYS_KEPT,
        ge=LEAST_DAYS_KEPT,
        description="Days that samples stay in the database before they go to the archive in S3: as you like, 2 at "
        "least. Charts below a minute and the energy of events are read from them.",
    )
    lake_after_hours: int = Field(
        0,
        ge=0,
        le=MOST_HOURS_KEPT,
        description="For fleets whose samples fill databases: each hour of them goes to the archive so many hours "
        "after its end, 48 at most, and the database keeps rollups. 0: by days, as the setting before this says.",
    )
    maintenance_timeout_s: int = Field(
        1800,
        ge=1,
        le=86_400,
        description="A statement of maintain-storage or `fleet migrate` is stopped after this, seconds: as you like. "
        "The database's own limit (Supabase: 120) holds for all other statements.",
    )

    log_format: Literal["text", "json"] = Field(
        "text",
        description="Logs on stderr for people, or a JSON object a line: of the flows, the web app and the agent.",
    )
    traces_url: str = Field(
        "",
        description="Receiver of traces (OTLP over HTTP), http://HOST:4318/v1/traces, of the flows and the agent. "
        "Empty: no traces. How many are taken: OTEL_TRACES_SAMPLER (docs/watching.md).",
    )
    ingestion_workers: int = Field(
        1,
        ge=1,
        le=32,
        description="Ingestion runs that may be at work at once; docs/scaling.md says how many you need.",
    )
    dask_scheduler: str = Field(
        "",
        description="Dask scheduler of provisioning's runner=dask, tcp://HOST:8786. Empty: processes on this machine.",
    )

    @property
    def notifies(self) -> bool:
        """Whether alarms are to reach anybody: an address is given, or a block is named."""
        return bool(self.notify_url.get_secret_value()) or self.notify_block != OWN_BLOCK

    @cached_property
    def names(self) -> ResourceNames:
        """Names of the AWS resources. Raises `InvalidInput` when `FLEET_PROJECT` cannot be one."""
        return ResourceNames(self.project)

    def require_database_url(self) -> str:
        """The database's address, or `NotConfigured` with the variable to set."""
        if url := self.database_url.get_secret_value():
            return url
        raise NotConfigured("DATABASE_URL is not set: start the embedded cloud (make up) or put it into .env.")


def load_environment() -> None:
    """Read `.env`, or else the embedded cloud's file, into the process environment without replacing anything."""
    local_file = Path(os.environ.get("FLEET_STATE_DIR") or STATE_DIR) / LOCAL_FILE
    file = OPERATOR_FILE if OPERATOR_FILE.exists() else local_file
    load_dotenv(file, override=False)
    os.environ.setdefault("DO_NOT_TRACK", "1")


def get_settings() -> Settings:
    """The settings of this process. Raises `NotConfigured` with one sentence a bad value."""
    try:
        return Settings()
    except ValidationError as error:
        raise NotConfigured(" ".join(_sentence(problem) for problem in error.errors())) from error


def secrets_of(settings: Settings) -> list[str]:
    """What no log may show: every secret of the settings, each part of one, and the database's password."""
    values = [value.get_secret_value() for _, value in settings if isinstance(value, SecretStr)]
    parts = [part.strip() for value in values for part in value.split(",")]
    password = urlsplit(settings.database_url.get_secret_value()).password
    found = {*values, *parts, password or "", unquote(password or "")}
    return [secret for secret in found if len(secret) >= _SHORTEST_SECRET]


def secrets_of_environment() -> list[str]:
    """The same of this process's settings; none where these cannot be used."""
    try:
        return secrets_of(get_settings())
    except (NotConfigured, ValueError):
        return []


def _sentence(problem: object) -> str:
    name = variable_name(str(problem["loc"][0]))  # type: ignore[index]
    return f"{name} cannot be used: {problem['msg']}."  # type: ignore[index]


def variable_name(field: str) -> str:
    """The environment variable that sets `field`."""
    info = Settings.model_fields.get(field)
    alias = info.validation_alias if info else None
    if isinstance(alias, AliasChoices):
        return str(alias.choices[0])
    return alias if isinstance(alias, str) else f"FLEET_{field.upper()}" if info else field


def env_example() -> str:
    """The text of `.env.example`, written from the fields above."""
    lines = ["# Copy to .env and fill in. A line that is left out keeps its default.", ""]
    for field, info in Settings.model_fields.items():
        default = info.default.get_secret_value() if isinstance(info.default, SecretStr) else info.default
        lines += [
            f"# {info.description}",
            f"#{variable_name(field)}={'' if default is None else default}",
            "",
        ]
    return "\n".join(lines)
