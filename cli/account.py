"""`fleet account`: what an administrator of an AWS account does once, and undoes at the end."""

from cli.app_credential import new_credential
from cli.consent import agree, is_typed_out
from cli.output import Output
from fleet.adapters.aws import with_profile
from fleet.adapters.postgres import connect
from fleet.adapters.postgres.app_credentials import add_app_credential
from fleet.errors import Conflict, NotConfigured
from fleet.services import account
from fleet.settings import Settings


def prepare(settings: Settings, profile: str, operator: str, out: Output) -> None:
    """Print the lines for the `.env` of the machine that serves the flows; what to know besides goes to stderr."""
    made = account.prepare(with_profile(settings, profile), operator)
    out.settings(
        _keys(made.key) | {"FLEET_DEPLOYER_ROLE_ARN": made.deployer_role_arn, "FLEET_ASSUME_JOB_ROLES": "true"}
    )
    out.remark(f"{made.operator_arn} may serve the flows, and Terraform works as {made.deployer_role_arn}.")
    if not made.policy_is_theirs:
        out.remark(
            "Put the document of `fleet terraform policy operator` into that role's permission set: only there it can."
        )
    elif made.key is None and not operator:
        out.remark("It has an access key from before, so none was made: delete that one in IAM to be given another.")


def web(settings: Settings, profile: str, out: Output) -> None:
    """Print the lines for the `.env` of the web app, of which it alone may know."""
    if not (settings.supabase_url and settings.supabase_anon_key.get_secret_value()):
        raise NotConfigured("SUPABASE_URL or SUPABASE_ANON_KEY is not set; the web app needs both: see .env.example.")
    key, credential = account.make_web_user(with_profile(settings, profile)), new_credential()
    if key is None:
        raise Conflict("The web app's user has an access key already: delete that one in IAM to be given another.")
    with connect(settings) as connection:
        add_app_credential(connection, "web", credential)
    endpoint = {"AWS_ENDPOINT_URL": settings.aws_endpoint_url} if settings.aws_endpoint_url else {}
    out.settings(
        {"AWS_REGION": settings.aws_region, **endpoint}
        | _keys(key)
        | {
            "SUPABASE_URL": settings.supabase_url,
            "SUPABASE_ANON_KEY": settings.supabase_anon_key.get_secret_value(),
            "FLEET_BASE_URL": settings.base_url,
            "FLEET_APP_CREDENTIAL": credential.get_secret_value(),
        }
    )


def clear(settings: Settings, profile: str, project: str, with_archive: bool, yes: bool, out: Output) -> None:
    """Delete what no flow does, and say what that was."""
    is_typed_out(project, settings.project)
    agree(f"Delete Terraform's state, role and users of {project}{' and its archive' if with_archive else ''}?", yes)
    deleted = []
    for what in account.clear(with_profile(settings, profile), with_archive):
        deleted.append(what)
        out.say(f"deleted: {what}")
    out.result({"project": project, "deleted": deleted}, f"Nothing of {project} is left in the account.")


def _keys(key: tuple[str, str] | None) -> dict[str, str]:
    return {"AWS_ACCESS_KEY_ID": key[0], "AWS_SECRET_ACCESS_KEY": key[1]} if key else {}
