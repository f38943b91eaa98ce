"""The table of the archive says of the files what is in them, and is made where somebody asks for it alone."""

import json
import re
from datetime import date
from pathlib import Path

import pyarrow as pa

from fleet.adapters import parquet
from fleet.telemetry.archive import Slice

TERRAFORM = Path(__file__).parents[2] / "terraform"
CATALOG = (TERRAFORM / "catalog.tf").read_text()
COLUMNS = json.loads((TERRAFORM / "documents" / "archive_columns.json").read_text())
TYPES = {
    pa.string(): "string", pa.bool_(): "boolean", pa.int64(): "bigint", pa.float64(): "double",
    pa.timestamp("us", tz="UTC"): "timestamp",
}  # fmt: skip
"""What Athena calls them (Athena user guide, "Data types in Amazon Athena")."""


def test_its_columns_are_those_of_the_files() -> None:
    assert [(each["name"], each["type"]) for each in COLUMNS] == [
        (field.name, TYPES[field.type]) for field in parquet.SCHEMA
    ]
    assert all(each["comment"].endswith(".") for each in COLUMNS)


def test_its_days_are_the_folders_of_the_files() -> None:
    (template,) = re.findall(r'"storage.location.template" += "\$\{local.archive_location\}(.+)"', CATALOG)
    (location,) = re.findall(r'archive_location = "s3://\$\{local.archive_bucket\}/(.+)"', CATALOG)
    folder = (location + template).replace("$${day}", "2026-09-01")
    assert Slice(date(2026, 9, 1), 1, part=1, parts=3).key.startswith(folder)
    assert Slice(date(2026, 9, 1)).key.rpartition("/")[0] + "/" == folder


def test_there_is_none_where_nobody_asks_for_one() -> None:
    (default,) = re.findall(r'variable "archive_table_since" \{.+?default +=  *"(.*?)"', CATALOG, re.DOTALL)
    assert default == ""
    resources = re.findall(r"^resource .+? \{\n  for_each +=  *toset\(local.archive_tables\)", CATALOG, re.MULTILINE)
    assert len(resources) == CATALOG.count("\nresource ") == 2
