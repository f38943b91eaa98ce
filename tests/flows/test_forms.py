"""What the Prefect UI shows as a form: help at each field, bounds at each number, a choice where there is one."""

from collections.abc import Iterator
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.utilities.callables import parameter_schema, parameter_schema_from_entrypoint

from fleet.products import products
from flows.provision_devices import provision_devices
from flows.serve import deployments
from tests.flows.conftest import Prefect

FORMS = {each.name: each._parameter_openapi_schema.properties for each in deployments()}
FIELDS = [(form, name) for form, fields in FORMS.items() for name in fields]
_FREE = {"destroy-infrastructure.project", "transfer-device.to_email", "provision-devices.csv_file"} | {
    "provision-devices.csr_folder"
}
"""Text that may be anything: what is typed to be sure, an address, places on the disk."""


def of_field(form: str, name: str) -> dict[str, Any]:
    return dict(FORMS[form][name])


def kinds(field: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What may stand in the field, without what may be left out: of a list, what its items may be, too."""
    for kind in field.get("anyOf", [field]):
        yield kind
        if "items" in kind:
            yield from kinds(kind["items"])


@pytest.mark.parametrize(("form", "name"), FIELDS)
def test_a_field_has_help(form: str, name: str) -> None:
    assert len(of_field(form, name).get("description", "")) > 10


@pytest.mark.parametrize(("form", "name"), FIELDS)
def test_a_number_has_bounds_and_a_list_has_them_too(form: str, name: str) -> None:
    for kind in kinds(of_field(form, name)):
        assert kind["type"] in {"boolean", "string", "null"} or {"minimum", "maximum"} <= {*kind} or "maxItems" in kind


@pytest.mark.parametrize(("form", "name"), FIELDS)
def test_a_text_is_a_choice_or_has_a_form_where_it_is_not_free(form: str, name: str) -> None:
    texts = [kind for kind in kinds(of_field(form, name)) if kind["type"] == "string"]
    is_held = all({"enum", "pattern", "format"}.intersection(kind) for kind in texts)
    assert is_held or f"{form}.{name}" in _FREE


def test_models_runners_sources_and_reasons_are_choices() -> None:
    provisioning, replaying = FORMS["provision-devices"], FORMS["replay-quarantine"]
    assert provisioning["model"]["enum"] == sorted(products().models)
    assert provisioning["model"]["default"] in products().models
    assert provisioning["runner"]["enum"] == ["threads", "dask"]
    assert replaying["source"]["enum"] == ["quarantine", "dead-letters", "rule-errors"]
    assert {"", "unknown_device", "dead_letter"} < set(replaying["reason"]["enum"])


@pytest.mark.parametrize("deployment", deployments(), ids=lambda each: each.name)
def test_a_pool_has_the_same_forms_as_a_served_flow(deployment: RunnerDeployment) -> None:
    """`fleet deploy` reads them from the source, `flows.serve` from the function."""
    name = deployment.name.replace("-", "_")
    read = parameter_schema_from_entrypoint(f"flows/{name}.py:{name}")
    assert read.properties == deployment._parameter_openapi_schema.properties


@pytest.mark.integration
@pytest.mark.parametrize(
    "wrong",
    [{"count": -1}, {"count": 1, "model": "home-14"}, {"count": 1, "concurrency": 33}, {"names": ["a/b"]}],
    ids=str,
)
def test_what_is_out_of_bounds_makes_no_run(prefect_server: Prefect, wrong: dict[str, Any]) -> None:
    with temporary_settings({PREFECT_API_URL: prefect_server.url}), get_client(sync_client=True) as client:
        made = client.create_deployment(
            flow_id=client.create_flow(provision_devices),
            name="a-form",
            parameter_openapi_schema=parameter_schema(provision_devices).model_dump_for_openapi(),
            enforce_parameter_schema=True,
        )
        with pytest.raises(PrefectHTTPStatusError, match="Validation failed"):
            client.create_flow_run_from_deployment(made, parameters=wrong)
        client.create_flow_run_from_deployment(made, parameters={"count": 1})
