"""Orders are checked as a whole before anything is made, and every problem is named."""

import os
import threading
from pathlib import Path

import pytest

from fleet import devices
from fleet.devices import ThingName
from fleet.errors import InvalidInput
from fleet.provisioning.orders import orders_from_csv, orders_from_names, orders_from_requests


@pytest.mark.parametrize("name", ["a/b", "", "a" * 129, "a b", "ä", "a\n", "../x", "a\x00b"])
def test_a_bad_name_is_refused_before_anything_is_made(name: str) -> None:
    with pytest.raises(InvalidInput, match="Nothing was provisioned"):
        orders_from_names(["good", name], "home-13")


def test_every_repeated_name_is_named() -> None:
    with pytest.raises(InvalidInput, match=r"'a' is named more than once.*'b' is named"):
        orders_from_names(["a", "b", "a", "b", "c"], "home-13")


def test_a_csv_names_devices_and_models(tmp_path: Path) -> None:
    file = tmp_path / "devices.csv"
    file.write_text("\ufeffthing_name,model\nbattery-a,home-10\nbattery-b,\n", encoding="utf-8")
    orders = orders_from_csv(file, "home-13")
    assert [(order.thing_name.value, order.model) for order in orders] == [
        ("battery-a", "home-10"),
        ("battery-b", "home-13"),
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"thing_name,model\r\nbattery-a,home-10\r\nbattery-b,\r\n,\r\n,\r\n",
        b"thing_name,model,,\nbattery-a,home-10,,\nbattery-b,,,\n,,,\n\n",
        b"sep=;\r\nThing Name;Model\r\nbattery-a;home-10\r\nbattery-b;\r\n;\r\n",
        b"Note\tTHING-NAME\tModel\n\tbattery-a \thome-10\nspare\t battery-b\n",
        '"thing_name"|"model"|"Ort"\n"battery-a"|"home-10"|"K\u00f6ln"\n"battery-b"||\n'.encode("cp1252"),
        "thing_name\tmodel\r\nbattery-a\thome-10\r\nbattery-b\r\n".encode("utf-16"),
        b'thing_name,model,note\nbattery-a,home-10,"two\nlines"\nbattery-b,,\n',
        b"\n\nthing_name,model\nbattery-a,home-10\nbattery-b\n",
    ],
)
def test_a_csv_is_taken_as_spreadsheets_write_it(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "devices.csv"
    file.write_bytes(content)
    orders = orders_from_csv(file, "home-13")
    assert [(order.thing_name.value, order.model) for order in orders] == [
        ("battery-a", "home-10"), ("battery-b", "home-13"),
    ]  # fmt: skip


def test_of_what_is_around_a_request_nothing_is_handed_on(tmp_path: Path) -> None:
    devices.write_private_key(tmp_path / "key")
    csr, key = devices.certificate_request(tmp_path / "key", ThingName("battery-a")), (tmp_path / "key").read_text()
    for around in (f"Certificate Request:\n    Data:\n{csr}", f"{key}\n{csr}\nnotes", csr.replace("\n", "\r\n")):
        (tmp_path / "battery-a.csr").write_bytes(around.encode("utf-16"))
        (order,) = orders_from_requests(tmp_path, "home-13")
        assert order.csr_pem == csr


def test_a_model_that_iot_core_would_refuse_is_refused_first() -> None:
    with pytest.raises(InvalidInput, match=r"no model that is known here: add it to products\.toml"):
        orders_from_names(["a"], "home 13")


def test_one_key_for_two_devices_is_refused(tmp_path: Path) -> None:
    devices.write_private_key(tmp_path / "key")
    for name in ("a", "b"):
        (tmp_path / f"{name}.csr").write_text(devices.certificate_request(tmp_path / "key", ThingName(name)))
    with pytest.raises(InvalidInput, match="the same key"):
        orders_from_requests(tmp_path, "home-13")


def test_a_folder_where_a_request_belongs_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csr").mkdir()
    with pytest.raises(InvalidInput, match=r"a\.csr"):
        orders_from_requests(tmp_path, "home-13")


@pytest.mark.timeout(20)
def test_a_request_is_read_once_so_that_what_was_checked_is_what_is_used(tmp_path: Path) -> None:
    """A pipe tells what it has once, and whoever reads it again waits for ever."""
    devices.write_private_key(tmp_path / "key")
    csr = devices.certificate_request(tmp_path / "key", ThingName("battery-a"))
    pipe = tmp_path / "battery-a.csr"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=[csr], daemon=True)
    writer.start()
    (order,) = orders_from_requests(tmp_path, "home-13")
    assert order.csr_pem == csr
    writer.join(5)


@pytest.mark.parametrize("content", [b"", b"name\nx\n", b"\xff\xfe\x00", b"thing_name\n"])
def test_a_csv_without_devices_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "devices.csv"
    file.write_bytes(content)
    with pytest.raises(InvalidInput, match=str(file)):
        orders_from_csv(file, "home-13")


def test_a_request_that_was_tampered_with_is_refused_by_name(tmp_path: Path) -> None:
    devices.write_private_key(tmp_path / "key")
    csr = devices.certificate_request(tmp_path / "key", ThingName("battery-a"))
    (tmp_path / "battery-a.csr").write_text(csr[:100] + ("A" if csr[100] != "A" else "B") + csr[101:])
    with pytest.raises(InvalidInput, match=r"battery-a\.csr"):
        orders_from_requests(tmp_path, "home-13")
