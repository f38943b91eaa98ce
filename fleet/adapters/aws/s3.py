"""The archive's bucket in S3: files go in under names that do not change, and come out as they went in."""

import os
import shutil
from functools import cached_property
from pathlib import Path

from fleet.adapters.aws import client, translated
from fleet.errors import FleetError
from fleet.settings import Settings
from fleet.telemetry.archive import Archived, sha256_of


class ArchiveStore:
    """Puts files into the bucket of this project, account and region, and fetches those that the ledger names."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._s3 = client(settings, "s3")

    @cached_property
    def bucket(self) -> str:
        """The bucket's name. Asks AWS for the account, so missing credentials are told here."""
        with translated("reading the account (sts:GetCallerIdentity)"):
            account = client(self._settings, "sts").get_caller_identity()["Account"]
        return self._settings.names.archive_bucket(account, self._settings.aws_region)

    def put(self, bucket: str, key: str, file: Path) -> None:
        """Upload a file; one of that name gets a newer version. Raises `NotFound` without the bucket."""
        with translated(f"writing s3://{bucket}/{key}"), file.open("rb") as stream:
            self._s3.put_object(Bucket=bucket, Key=key, Body=stream, ContentType="application/vnd.apache.parquet")

    def fetch(self, archived: Archived, folder: Path) -> Path:
        """Download into `folder`. Raises `FleetError` if the bytes are not those that the ledger knows."""
        key, file = archived.slice.key, folder / f"{os.urandom(8).hex()}.parquet"
        with translated(f"reading s3://{archived.bucket}/{key}"), file.open("wb") as stream:
            shutil.copyfileobj(self._s3.get_object(Bucket=archived.bucket, Key=key)["Body"], stream, 1 << 20)
        if sha256_of(file) != archived.written.sha256:
            raise FleetError(
                f"s3://{archived.bucket}/{key} is not the file that was archived: bring back its earlier version."
            )
        return file
