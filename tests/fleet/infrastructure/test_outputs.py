import stat
from dataclasses import asdict
from pathlib import Path

import msgspec
import pytest

from fleet.errors import InvalidInput, NotConfigured
from fleet.infrastructure.outputs import Outputs, load_outputs, outputs_from, parse_outputs, save_outputs

VALUES = {name: f"the {name}" for name in Outputs.__dataclass_fields__}


def test_outputs_are_read_from_terraforms_answer() -> None:
    answer = {name: {"sensitive": False, "type": "string", "value": value} for name, value in VALUES.items()}
    answer["added_later"] = {"sensitive": False, "type": "string", "value": "ignored"}
    assert asdict(parse_outputs(msgspec.json.encode(answer))) == VALUES


def test_missing_outputs_are_named() -> None:
    with pytest.raises(InvalidInput, match="lack smtp_password: apply"):
        outputs_from({name: value for name, value in VALUES.items() if name != "smtp_password"})


def test_outputs_of_before_the_webhooks_can_be_read() -> None:
    older = outputs_from({name: value for name, value in VALUES.items() if not name.startswith("webhook")})
    assert (older.webhook_url, older.smtp_host) == ("", VALUES["smtp_host"])


@pytest.mark.parametrize("answer", [b"", b"Warning: x\n{}", b"[]", b'{"smtp_host": 1}'])
def test_an_answer_that_is_none_is_refused(answer: bytes) -> None:
    with pytest.raises(InvalidInput):
        parse_outputs(answer)


def test_the_mail_password_is_not_shown() -> None:
    outputs = Outputs(**VALUES)
    assert VALUES["smtp_password"] not in repr(outputs)
    assert VALUES["smtp_password"] not in str(outputs.public())
    assert outputs.public()["smtp_username"] == VALUES["smtp_username"]


def test_kept_outputs_are_readable_by_their_owner_only(folder: Path) -> None:
    outputs = Outputs(**VALUES)
    file = save_outputs(folder / "new", outputs)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert load_outputs(folder / "new") == outputs


def test_without_an_apply_the_sentence_names_the_flow(folder: Path) -> None:
    with pytest.raises(NotConfigured, match="run the flow apply-infrastructure"):
        load_outputs(folder)
