"""A run is named by what it does, to what and when, whoever began it."""

import importlib
from collections.abc import Callable
from typing import Any

import pytest

from flows import provision_devices, replay_quarantine, revoke_devices, rotate_certificates
from flows.run_names import Parameters
from flows.serve import deployments

PROVISION, REPLAY = provision_devices.run_name, replay_quarantine.run_name
REVOKE, ROTATE = revoke_devices.run_name, rotate_certificates.run_name


@pytest.mark.parametrize(
    ("name", "given", "called"),
    [
        (PROVISION, {"names": ["garage-a", "garage-b", "garage-z"]}, "provision garage-a..z (3)"),
        (PROVISION, {"count": 200}, "provision battery-0001..0200 (200)"),
        (PROVISION, {"count": 1, "prefix": "garage"}, "provision garage-0001"),
        (PROVISION, {"csv_file": "/orders/monday.csv"}, "provision monday.csv"),
        (PROVISION, {"csr_folder": "/factory/requests/"}, "provision requests"),
        (PROVISION, {"names": None, "csv_file": None}, "provision nothing"),
        (REVOKE, {"names": ["garage-a"]}, "revoke garage-a"),
        (REVOKE, {"names": ["garage-a"], "restore": True}, "restore garage-a"),
        (ROTATE, {}, "calendar of certificates"),
        (ROTATE, {"expires_within_days": 0}, "rotate what ends within 0 days"),
        (ROTATE, {"names": ["a-1", "a-2"]}, "rotate a-1..2 (2)"),
        (REPLAY, {}, "look at quarantine"),
        (REPLAY, {"source": "dead-letters", "thing_name": "a", "dry_run": False}, "replay dead-letters of a"),
    ],
)
def test_a_run_is_named_by_what_it_was_given(
    name: Callable[[Parameters], str], given: dict[str, Any], called: str
) -> None:
    assert name(given) == called


def test_every_flow_names_its_runs() -> None:
    names = [each.name.replace("-", "_") for each in deployments()]
    flows = [getattr(importlib.import_module(f"flows.{name}"), name) for name in names]
    assert len(flows) > 15 and not [each.name for each in flows if each.flow_run_name is None]
