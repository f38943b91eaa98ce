"""The configuration where Terraform may work in it: it writes the lock of its providers beside what it reads."""

import hashlib
import os
import shutil
from pathlib import Path

_NOT_OURS = (".terraform", "*.tfstate*", "*.auto.tfvars.json")
"""What Terraform and people leave in a configuration."""


def working_copy(root: Path, work: Path) -> Path:
    """`root`, or its copy where nothing may be written into it, as on the file system of an image."""
    return root if os.access(root, os.W_OK) else copied(root, work)


def copied(root: Path, work: Path) -> Path:
    """`root`'s copy below `work`, made once for each content. One process at a time may ask for it."""
    copy = work / "configurations" / _digest(root) / root.name
    if not copy.is_dir():
        half = work / "configurations" / "half"  # a copy that is there is whole
        shutil.rmtree(half, ignore_errors=True)
        shutil.copytree(root, half / root.name, ignore=shutil.ignore_patterns(*_NOT_OURS))
        for folder in [half, *(each for each in half.rglob("*") if each.is_dir())]:
            folder.chmod(0o700)  # whatever the original's is
        half.rename(copy.parent)
    return copy


def _digest(root: Path) -> str:
    ours = shutil.ignore_patterns(*_NOT_OURS)
    digest = hashlib.sha256()
    for folder, folders, files in os.walk(root):
        left_out = ours(folder, [*folders, *files])
        folders[:] = sorted(set(folders) - left_out)
        for name in sorted(set(files) - left_out):
            file = Path(folder, name)
            digest.update(repr((str(file.relative_to(root)), file.read_bytes())).encode())
    return digest.hexdigest()[:16]
