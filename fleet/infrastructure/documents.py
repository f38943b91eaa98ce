"""The documents of `terraform/documents`, filled in as Terraform does."""

from collections.abc import Mapping
from string import Template

from fleet.errors import InvalidInput


def render_document(template: str, values: Mapping[str, str]) -> str:
    """A file of `terraform/documents`, filled in as Terraform's `templatefile` does: `${name}`, `$${` for `${`.

    Raises `InvalidInput` naming a value that is missing.
    """
    try:
        return Template(template).substitute(values)
    except KeyError as error:
        raise InvalidInput(f"The document needs a value for {error}.") from error
