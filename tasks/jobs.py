"""A task works as its job: under the role that the infrastructure made for it, where that is asked for."""

from typing import Literal

from fleet.errors import NotConfigured
from fleet.infrastructure.outputs import load_outputs
from fleet.settings import Settings, get_settings

Job = Literal["provisioning", "retirement", "ingestion", "webhooks", "dispatch", "storage", "watching"]


def settings_of(job: Job) -> Settings:
    """The settings, with the job's role out of the infrastructure's outputs where FLEET_ASSUME_JOB_ROLES says so.

    Elsewhere the process's own credentials are the job's: an ECS task or a pod is handed its role.
    Raises `NotConfigured` where the outputs are missing, or older than the role.
    """
    settings = get_settings()
    if not settings.assume_job_roles:
        return settings
    role_arn = getattr(load_outputs(settings.state_dir), f"{job}_role_arn")
    if not role_arn:
        raise NotConfigured(f"There is no role for {job} yet: run the flow apply-infrastructure once more.")
    return settings.model_copy(update={"aws_role_arn": role_arn})


def deployer_settings() -> Settings:
    """The settings that Terraform works with: under the role of FLEET_DEPLOYER_ROLE_ARN where that names one."""
    settings = get_settings()
    return settings.model_copy(update={"aws_role_arn": settings.deployer_role_arn or settings.aws_role_arn})
