import pytest

from fleet.errors import InvalidInput
from fleet.infrastructure.documents import render_document


def test_a_document_is_filled_in_as_terraform_does() -> None:
    template = '{"a": "${project}", "b": "$${iot:Connection.Thing.ThingName}"}'
    assert render_document(template, {"project": "p"}) == '{"a": "p", "b": "${iot:Connection.Thing.ThingName}"}'
    with pytest.raises(InvalidInput, match="project"):
        render_document(template, {})
