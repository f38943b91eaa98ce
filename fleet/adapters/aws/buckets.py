"""Buckets as a whole: whether one holds files, what a file says, and its end with all versions of its files."""

from typing import Any

from fleet.adapters.aws.clients import client, translated
from fleet.errors import Refused
from fleet.settings import Settings

_MOST_AT_ONCE = 1000
"""Keys of one DeleteObjects (S3 API reference)."""


class Bucket:
    """One bucket by its name, by the credentials of `settings`. Nothing is asked of AWS before a method is."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._s3, self.name = client(settings, "s3"), name

    def exists(self) -> bool:
        with translated(f"to look for the bucket {self.name}"):
            return any(each["Name"] == self.name for each in self._s3.list_buckets()["Buckets"])

    def files(self) -> dict[str, bytes]:
        """What is in it, by key: for a bucket of few small files."""
        with translated(f"to read the bucket {self.name}"):
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.name)
            keys = [each["Key"] for page in pages for each in page.get("Contents", ())]
            return {key: self._s3.get_object(Bucket=self.name, Key=key)["Body"].read() for key in keys}

    def has_files(self) -> bool:
        """Whether any is in it, versions of deleted ones included."""
        with translated(f"to look into the bucket {self.name}"):
            return bool(self._versions(self._s3.list_object_versions(Bucket=self.name, MaxKeys=1)))

    def delete(self) -> None:
        """Delete it with every version of every file. What was deleted when this is stopped half-way stays so."""
        with translated(f"to empty and delete the bucket {self.name}"):
            pages = self._s3.get_paginator("list_object_versions").paginate(
                Bucket=self.name, PaginationConfig={"PageSize": _MOST_AT_ONCE}
            )
            for page in pages:
                if versions := self._versions(page):
                    answer = self._s3.delete_objects(Bucket=self.name, Delete={"Objects": versions, "Quiet": True})
                    self._refuse_what_stayed(answer.get("Errors", []))
            self._s3.delete_bucket(Bucket=self.name)

    def _refuse_what_stayed(self, errors: list[dict[str, str]]) -> None:
        """DeleteObjects answers 200 whatever became of a key."""
        if errors:
            first = f"{errors[0]['Key']}: {errors[0]['Code']} {errors[0].get('Message', '')}".strip()
            raise Refused(f"S3 did not delete {len(errors)} files of {self.name}, the first {first}.")

    @staticmethod
    def _versions(page: dict[str, Any]) -> list[dict[str, str]]:
        found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
        return [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in found]
