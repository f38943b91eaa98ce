"""Settings say what is wrong with themselves, and `.env.example` is written from them."""

import os
from pathlib import Path

import pytest

from fleet.errors import InvalidInput, NotConfigured
from fleet.infrastructure.names import ResourceNames
from fleet.settings import Settings, env_example, get_settings, load_environment
from tests.conftest import CHECKOUT, outside


def test_a_bad_value_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_IOT_PORT", "http")
    with pytest.raises(NotConfigured, match="FLEET_IOT_PORT"):
        get_settings()


@pytest.mark.parametrize(
    "contact", ["help", "javascript:alert(1)", "http://maker.example", "a@b.c](https://x.example)", "a@b c.example"]
)
def test_a_contact_that_is_no_plain_address_is_refused(contact: str) -> None:
    with pytest.raises(ValueError, match="support_contact"):
        Settings(support_contact=contact)


def test_a_missing_database_is_named_where_it_is_needed() -> None:
    with pytest.raises(NotConfigured, match="DATABASE_URL"):
        Settings.model_validate({"DATABASE_URL": ""}).require_database_url()


def test_secrets_do_not_show_in_the_settings_text() -> None:
    settings = Settings.model_validate(
        {"DATABASE_URL": "postgresql://u:topsecret@h/d", "AWS_SECRET_ACCESS_KEY": "hidden"}
    )
    assert "topsecret" not in repr(settings)
    assert "hidden" not in repr(settings)


def test_a_secret_read_from_a_file_goes_without_its_line_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_FLIP_TOKEN", "token-of-flip\n")
    assert get_settings().flip_token.get_secret_value() == "token-of-flip"


def test_the_example_file_is_the_settings_own() -> None:
    assert Path(".env.example").read_text().strip() == env_example().strip()


def test_an_operators_file_is_read_instead_of_the_local_clouds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    for name in ("FLEET_PROJECT", "AWS_ENDPOINT_URL"):
        monkeypatch.setenv(name, "")  # so that what the file sets is taken back afterwards
        monkeypatch.delenv(name)
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    (folder / ".fleet").mkdir()
    (folder / ".fleet/local.env").write_text("AWS_ENDPOINT_URL=http://127.0.0.1:4566\n")
    (folder / ".env").write_text("FLEET_PROJECT=from-operator\n")
    load_environment()
    settings = get_settings()
    assert (settings.project, settings.aws_endpoint_url) == ("from-operator", "")


def test_a_file_of_the_checkout_is_not_read_in_tests_and_one_elsewhere_is(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEET_PROJECT", "")
    monkeypatch.delenv("FLEET_PROJECT")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for place, is_read in ((folder, False), (elsewhere, True)):
        (place / ".env").write_text("FLEET_PROJECT=of-the-file\n")
        outside(folder.resolve())(place / ".env", override=False)
        assert ("FLEET_PROJECT" in os.environ) == is_read
    assert outside(CHECKOUT)(CHECKOUT / ".env.example") is False


@pytest.mark.parametrize("project", ["", "A", "my_fleet", "-fleet", "fleet-", "f" * 33])
def test_a_project_name_that_aws_would_refuse_is_refused_first(project: str) -> None:
    with pytest.raises(InvalidInput, match="FLEET_PROJECT"):
        ResourceNames(project)
