from pathlib import Path

import pytest

from fleet.adapters.terraform.configuration import copied, working_copy


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A configuration as it is in an image, with what Terraform would have left in a checkout."""
    root = tmp_path / "image" / "terraform"
    (root / "backend").mkdir(parents=True)
    (root / ".terraform" / "providers").mkdir(parents=True)
    (root / "versions.tf").write_text("terraform {}\n")
    (root / "backend" / "main.tf").write_text("# the state's bucket\n")
    (root / "terraform.tfstate").write_text("{}")
    for folder in (root / "backend", root):
        folder.chmod(0o555)
    return root


def test_a_configuration_that_may_be_written_is_worked_on_where_it_is(tmp_path: Path) -> None:
    assert working_copy(tmp_path, tmp_path / "work") == tmp_path


def test_the_copy_of_one_that_may_not_be_has_all_of_it_and_may_be_written(root: Path, tmp_path: Path) -> None:
    copy = copied(root, tmp_path / "work")
    assert copy.name == root.name  # Terraform's data is kept by that name
    assert {each.name for each in copy.rglob("*")} == {"versions.tf", "backend", "main.tf"}
    assert all(folder.stat().st_mode & 0o777 == 0o700 for folder in (copy, copy / "backend"))


def test_a_copy_is_made_once_and_keeps_what_terraform_wrote_into_it(root: Path, tmp_path: Path) -> None:
    copy = copied(root, tmp_path / "work")
    (copy / ".terraform.lock.hcl").write_text("# a provider's hashes\n")
    assert copied(root, tmp_path / "work") == copy
    assert (copy / ".terraform.lock.hcl").exists()


def test_another_version_of_the_configuration_is_another_copy(root: Path, tmp_path: Path) -> None:
    before = copied(root, tmp_path / "work")
    (root / "backend" / "main.tf").write_text("# another bucket\n")
    after = copied(root, tmp_path / "work")
    assert after != before and (after / "backend" / "main.tf").read_text() == "# another bucket\n"


def test_a_copy_that_was_cut_short_is_made_anew(root: Path, tmp_path: Path) -> None:
    half = tmp_path / "work" / "configurations" / "half" / "terraform"
    half.mkdir(parents=True)
    (half / "old.tf").write_text("# of a process that was killed\n")
    assert {each.name for each in copied(root, tmp_path / "work").iterdir()} == {"versions.tf", "backend"}
