"""Every command has the same style: an example that parses, `--json`, a sentence and an exit code for what is wrong."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer

from cli import app as application
from cli.reference import PAGE, commands, examples, page
from fleet.errors import FleetError

CHECKOUT = Path(__file__).parents[2]
COMMANDS = commands()
ASK_FIRST = {
    "infra apply", "infra destroy", "devices revoke", "devices transfer", "devices decommission", "devices retire",
    "quarantine replay", "account clear", "app-credential",
}  # fmt: skip
"""What cannot be taken back, or shuts somebody out: asked for at a terminal, or given with `--yes`."""

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Call]:
    """`fleet` in this process as in an empty folder without a setting: exit code, stdout, stderr."""
    for name in list(os.environ):
        if name.startswith(("FLEET_", "AWS_", "PREFECT_", "DATABASE_", "SUPABASE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    monkeypatch.chdir(tmp_path)

    def run(*words: str, **environment: str) -> tuple[int, str, str]:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["fleet", *words])
        with pytest.raises(SystemExit) as ended:
            application.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    yield run


def assert_sentence(answer: tuple[int, str, str], code: int, words: str) -> None:
    assert answer[0] == code, answer
    assert (answer[1], answer[2].count("\n")) == ("", 1), answer
    assert answer[2].startswith("fleet: ") and words in answer[2]
    assert "Traceback" not in answer[2]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_json_and_examples_that_parse(name: str) -> None:
    options = {option for each in COMMANDS[name].params for option in each.opts}
    assert "--json" in options
    assert examples(COMMANDS[name])
    for example in examples(COMMANDS[name]):
        program, *words = shlex.split(example)
        path = name.split()
        assert (program, words[: len(path)]) == ("fleet", path)
        COMMANDS[name].make_context(name, words[len(path) :]).close()


def test_an_example_that_does_not_parse_would_be_found() -> None:
    with pytest.raises(typer.TyperException, match="No such option"):
        COMMANDS["devices list"].make_context("list", ["--no-such-option"])


def test_what_cannot_be_taken_back_has_yes_and_nothing_else_has() -> None:
    assert {name for name, each in COMMANDS.items() if any("--yes" in one.opts for one in each.params)} == ASK_FIRST


def test_the_page_is_what_the_parsers_say() -> None:
    assert PAGE.read_text() == page(), "run: .venv/bin/python -m cli.reference"
    assert all(f"`fleet {name}" in page() for name in COMMANDS if not COMMANDS[name].hidden)


def test_every_exit_code_of_ours_is_on_the_page() -> None:
    codes = {kind.exit_code for kind in (FleetError, *FleetError.__subclasses__())} | {0, 70, 130}
    listed = {int(line.split("|")[1]) for line in page().splitlines() if line.startswith("| ") and line[2:3].isdigit()}
    assert listed == codes


def test_help_and_completion_load_nothing_that_a_command_needs() -> None:
    heavy = {"pydantic", "psycopg", "boto3", "prefect", "httpx", "cryptography", "fleet.settings", "local_cloud"}
    program = f"import sys; import cli.app; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("shell", "typed"),
    [
        ("bash", {"COMP_WORDS": "fleet devices re", "COMP_CWORD": "2"}),
        ("zsh", {"_TYPER_COMPLETE_ARGS": "fleet devices re"}),
        ("fish", {"_TYPER_COMPLETE_ARGS": "fleet devices re", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}),
    ],
)
def test_shells_complete_commands(call: Call, shell: str, typed: Mapping[str, str]) -> None:
    code, said, _ = call(_FLEET_COMPLETE=f"complete_{shell}", **typed)
    assert code == 0
    assert all(name in said for name in ("revoke", "restore")) and "decommission" not in said
    assert "retire" not in said, "the second name of a command is nothing to choose from"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("no-such-command", "No such command"),
        ("devices list --limit 0", "--limit"),
        ("devices list --limit many", "--limit"),
        ("devices show", "Missing argument 'NAME'"),
        ("devices revoke bad/name --yes", "is not a thing name"),
        ("devices revoke battery-1", "add --yes"),
        ("devices decommission battery-1", "add --yes"),
        ("devices transfer battery-1", "add --yes"),
        ("devices rotate", "one of the two"),
        ("devices rotate battery-1 --expires-within 3", "one of the two"),
        ("provision", "Give exactly one of"),
        ("provision a --count 3", "Give exactly one of"),
        ("provision --count 0", "--count"),
        ("provision --csv nowhere.csv", "--csv nowhere.csv is not there"),
        ("provision a --runner spark", "--runner"),
        ("infra apply", "add --yes"),
        ("infra destroy another --yes", "is not this project's name"),
        ("infra destroy flip-fleet", "add --yes"),
        ("account clear another --yes", "is not this project's name"),
        ("account clear flip-fleet", "add --yes"),
        ("app-credential --revoke x", "add --yes"),
        ("quarantine show last", "'ID'"),
        ("quarantine replay --source elsewhere", "'--source'"),
        ("quarantine replay --since yesterday", "--since is 'yesterday'"),
        ("history --device x --from yesterday --to now", "--from is 'yesterday'"),
        ("dispatches show soon", "'soon' is not a time"),
        ("capacity --sample often", "'often'"),
        ("registration-url no/such/folder", "neither a thing's name nor an artifact folder"),
        ("terraform policy nobody", "operator"),
        ("up --foreground --json", "not both"),
    ],
)
def test_wrong_input_is_one_sentence_and_exit_code_2(call: Call, words: str, says: str) -> None:
    assert_sentence(call(*words.split()), 2, says)


@pytest.mark.parametrize(
    "words",
    [
        "status", "commands", "events", "devices list", "devices show battery-1", "quarantine list",
        "quarantine show 1", "quarantine replay", "webhooks list", "dispatches list", "app-credential",
        "history --device x --from 2026-11-01T00:00:00Z --to 2026-11-02T00:00:00Z",
    ],
)  # fmt: skip
def test_without_a_database_the_setting_is_named(call: Call, words: str) -> None:
    assert_sentence(call(*words.split(), "--json"), 3, "DATABASE_URL is not set")


@pytest.mark.parametrize(
    "words",
    [
        "infra plan", "infra apply --yes", "infra apply --no-wait", "infra destroy flip-fleet --yes", "provision a",
        "devices revoke a --yes", "devices restore a", "devices rotate a", "devices transfer a --yes",
        "devices decommission a --yes", "devices retire a --yes", "deploy",
    ],
)  # fmt: skip
def test_without_prefect_the_setting_is_named(call: Call, words: str) -> None:
    assert_sentence(call(*words.split(), "--json"), 3, "PREFECT_API_URL is not set")


def test_a_folder_that_is_elsewhere_is_said(call: Call) -> None:
    assert_sentence(call("registration-url", "battery-1"), 7, "has no artifact folder of battery-1")


def test_a_group_without_a_command_shows_its_help_and_is_wrong_input(call: Call) -> None:
    code, shown, said = call("devices")
    assert (code, said) == (2, "") and "decommission" in shown


def test_an_error_of_ours_is_no_stack_trace(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("of ours")

    monkeypatch.setattr("cli.looking.devices", broken)
    assert_sentence(call("devices", "list"), 70, "ZeroDivisionError('of ours')")


@pytest.mark.parametrize("words", ["env-example", "capacity", "command-key", "doctor"])
def test_stdout_is_one_document_whatever_is_said_besides(call: Call, words: str) -> None:
    code, out, _ = call(*words.split(), "--json")
    assert code in (0, 1)
    assert isinstance(json.loads(out), dict | list)
