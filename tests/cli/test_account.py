"""`fleet account`: the lines that it prints are settings, and what else it says is not among them."""

import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from dotenv import dotenv_values
from pydantic import SecretStr

from cli import account
from cli.output import Output
from fleet.adapters import aws
from fleet.errors import Conflict, InvalidInput, NotConfigured
from fleet.settings import Settings
from local_cloud.identities import with_key
from tests.conftest import running_aws

pytestmark = pytest.mark.integration


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, str | None]:
    return dict(dotenv_values(stream=StringIO(capsys.readouterr().out)))


def test_the_machines_lines_and_the_web_apps_are_their_settings(
    tmp_path: Path, database: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_aws(tmp_path / "aws") as owner:
        profiles = tmp_path / "credentials"
        secret = owner.aws_secret_access_key.get_secret_value()
        profiles.write_text(
            f"[admin]\naws_access_key_id = {owner.aws_access_key_id}\naws_secret_access_key = {secret}\n"
        )
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(profiles))
        settings = with_key(owner, ("", "")).model_copy(update={"database_url": database.database_url})
        account.prepare(settings, "admin", "", Output())
        lines = printed(capsys)
        assert lines.keys() == {
            "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "FLEET_DEPLOYER_ROLE_ARN", "FLEET_ASSUME_JOB_ROLES",
        }  # fmt: skip
        machine = with_key(settings, (str(lines["AWS_ACCESS_KEY_ID"]), str(lines["AWS_SECRET_ACCESS_KEY"])))
        deployer = machine.model_copy(update={"aws_role_arn": lines["FLEET_DEPLOYER_ROLE_ARN"]})
        assert aws.temporary_credentials(deployer)

        with pytest.raises(NotConfigured, match="SUPABASE_URL or SUPABASE_ANON_KEY is not set"):
            account.web(settings, "admin", Output())
        supabase = {"supabase_url": "http://127.0.0.1:1", "supabase_anon_key": SecretStr("public")}
        settings = settings.model_copy(update=supabase)
        account.web(settings, "admin", Output())
        assert {"AWS_ACCESS_KEY_ID", "SUPABASE_ANON_KEY", "FLEET_APP_CREDENTIAL"} < printed(capsys).keys()
        with pytest.raises(Conflict, match="has an access key already"):
            account.web(settings, "admin", Output())

        with pytest.raises(InvalidInput, match="is not this project's name"):
            account.clear(settings, "admin", "another", False, True, Output())
        with pytest.raises(InvalidInput, match="add --yes"):
            account.clear(settings, "admin", "flip-fleet", False, False, Output())
        account.clear(settings, "admin", "flip-fleet", False, True, Output())
        assert capsys.readouterr().out.splitlines() == [
            "deleted: role flip-fleet-deployer", "deleted: user flip-fleet-operator", "deleted: user flip-fleet-web",
            "Nothing of flip-fleet is left in the account.",
        ]  # fmt: skip


def test_a_profile_that_is_none_is_told_in_one_sentence() -> None:
    command = [sys.executable, "-m", "cli.main", "account", "prepare", "--profile", "nobody"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 3, ended.stderr
    assert ended.stderr.count("\n") == 1 and "'nobody'" in ended.stderr
