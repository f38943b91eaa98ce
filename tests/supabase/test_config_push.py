"""What `supabase config push` would bring to a real project: nothing of this machine, nothing that is not explained.

The CLI puts an environment variable where a value, or a member of a list, is `env(NAME)` as a whole (supabase/cli pull
requests 2338 and 2760), and leaves the text as it is in any other place.
"""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

CONFIG, DOCUMENTED = Path("supabase/config.toml"), Path("docs/supabase.md")
_LOOPBACK = re.compile(r"localhost|127\.\d|0\.0\.0\.0|::1|host\.docker|\b192\.168\.|\b10\.\d+\.\d+\.\d+", re.IGNORECASE)
_VARIABLE = re.compile(r"env\((\w+)\)")


def texts(value: object) -> Iterator[str]:
    """Every text in the file, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for each in value.values() if isinstance(value, dict) else value:
            yield from texts(each)


def pushed() -> list[str]:
    return list(texts(tomllib.loads(CONFIG.read_text())))


def test_no_address_of_this_machine_is_pushed() -> None:
    templates = [file.read_text() for file in (CONFIG.parent / "templates").iterdir()]
    assert templates
    assert [text for text in [*pushed(), *templates] if _LOOPBACK.search(text)] == []


def test_an_address_of_this_machine_would_be_found() -> None:
    for text in ("http://127.0.0.1:8501", "http://localhost:8501/**", "http://[::1]:80", "http://192.168.1.4"):
        assert _LOOPBACK.search(text)


def test_the_web_apps_address_is_the_projects_own() -> None:
    auth = tomllib.loads(CONFIG.read_text())["auth"]
    assert (auth["site_url"], auth["additional_redirect_urls"]) == ("env(FLEET_BASE_URL)", [])


def test_every_variable_stands_alone_and_is_documented() -> None:
    named = [text for text in pushed() if "env(" in text]
    assert len(named) == 5
    for text in named:
        found = _VARIABLE.fullmatch(text)
        assert found, f"the CLI would push {text!r} as it is"
        assert f"`{found[1]}`" in DOCUMENTED.read_text()


def test_no_block_is_there_that_the_cli_refuses_to_push() -> None:
    assert "remotes" not in tomllib.loads(CONFIG.read_text()), "since 2.106 `config push` refuses it (issue 5614)"
