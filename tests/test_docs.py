"""The pages held against the repository: what they name is there, and a newcomer finds it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
README, ARCHITECTURE = CHECKOUT / "README.md", CHECKOUT / "docs" / "architecture.md"
PAGES = sorted([README, CHECKOUT / "CONTRIBUTING.md", *CHECKOUT.glob("docs/**/*.md")])
PACKAGES = ("fleet", "tasks", "flows", "cli", "device_agent", "streamlit_app", "local_cloud", "benchmarks")
STEPS = 3
"""A newcomer opens so many pages or files after the README, at most."""

MADE_AT_RUN_TIME = (".fleet", ".venv", ".env", "test-output")
"""Folders and files that no checkout has, but every machine that ran it."""
ELSEWHERE = {
    "fleet.auto.tfvars.json": "in a checkout where somebody plans by hand",
    "device.json": "in each artifact folder",
    "outputs.json": "in the state folder, after an apply",
    "supabase-keys.json": "in the state folder",
    "secrets.env": "the operator's own",
    "code.svg": "a name that a reader chooses",
    "samples.csv": "the same",
}
"""File names of ours that are in no checkout, and where they are."""

_SUFFIXES = r"py|md|sql|toml|tf|vtl|ya?ml|json|css|csv|svg|png|env|lock|service"
_PATH = re.compile(r"\.?[\w-][\w.*-]*(/[\w.*-]+)*/?")
_IN_BACKTICKS = re.compile(r"```.*?```|`[^`]+`", re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def is_path(word: str) -> bool:
    """Whether a word in backticks is a path of the repository: ends like a file, or begins with one of its folders."""
    if not _PATH.fullmatch(word) or word.split("/")[0] in MADE_AT_RUN_TIME or Path(word).name in ELSEWHERE:
        return False
    is_file = re.fullmatch(rf".*\w\.({_SUFFIXES})", word) is not None
    return is_file or ("/" in word and (CHECKOUT / word.split("/")[0]).is_dir())


def named_paths(page: Path) -> Iterator[str]:
    for quoted in _IN_BACKTICKS.findall(page.read_text()):
        words = quoted.strip("`").split()
        yield from (word for raw in words if is_path(word := raw.strip(",:;()").removeprefix("./")))


def is_there(path: str) -> bool:
    """A path from the root, or the end of one where a page says which folder it is about."""
    name = path.rstrip("/")
    folders = (folder for folder in CHECKOUT.iterdir() if folder.is_dir() and folder.name not in MADE_AT_RUN_TIME)
    return any(CHECKOUT.glob(name)) or any(True for folder in folders for _ in folder.glob(f"**/{name}"))


def links(page: Path) -> list[Path]:
    """The files and folders of the repository that a page leads to; nothing leads on from a file that is no page."""
    if page.suffix != ".md":
        return []
    targets = (target.split("#")[0] for target in _LINK.findall(page.read_text()) if "://" not in target)
    return [(page.parent / target).resolve() for target in targets if target]


def within_reach(steps: int) -> set[Path]:
    """All that is at most `steps` links away from the README."""
    reached = newest = {README}
    for _ in range(steps):
        newest = {target for page in newest for target in links(page)} - reached
        reached = reached | newest
    return reached


def rows(heading: str) -> list[str]:
    """The rows of the table under a heading of the architecture page."""
    section = ARCHITECTURE.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return [line for line in section.splitlines() if line.startswith("| ")][2:]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(CHECKOUT).as_posix())
def test_every_path_that_a_page_names_is_there(page: Path) -> None:
    missing = {path for path in named_paths(page) if not is_there(path)}
    dead = {str(target) for target in links(page) if not target.exists()}
    assert missing | dead == set()


def test_ten_behaviours_are_at_most_three_steps_from_the_readme() -> None:
    questions, reached = rows("Where do I find"), within_reach(STEPS)
    answers = {row: [(ARCHITECTURE.parent / target).resolve() for target in _LINK.findall(row)] for row in questions}
    assert len(questions) >= 10
    assert [row for row, files in answers.items() if not files or not all(file.is_file() for file in files)] == []
    assert {file for files in answers.values() for file in files} <= reached


def test_the_readme_leads_to_the_table_of_behaviours() -> None:
    assert ARCHITECTURE in links(README)


def test_the_tree_has_a_line_for_every_package_and_for_nothing_else() -> None:
    listed = {re.findall(r"`([^`]+)/`", row)[0] for row in rows("The tree")}
    packages = {file.parent for name in PACKAGES for file in (CHECKOUT / name).glob("**/__init__.py")}
    assert listed == {package.relative_to(CHECKOUT).as_posix() for package in packages}


def test_what_a_walk_names_is_in_the_files_it_names_beside_it() -> None:
    walks = ARCHITECTURE.read_text().split("\n## Four walks\n")[1].split("\n## ")[0]
    steps = re.findall(r"^\d+\. .*?(?=^\d+\. |^$)", walks, re.MULTILINE | re.DOTALL)
    assert len(re.findall(r"^### ", walks, re.MULTILINE)) == 4
    for step in steps:
        quoted = re.findall(r"`([^`]+)`", step)
        texts = [(CHECKOUT / path).read_text() for path in quoted if is_path(path) and (CHECKOUT / path).is_file()]
        unknown = [
            name
            for name in quoted
            if name.isidentifier() and not any(re.search(rf"\b{name}\b", text) for text in texts)
        ]
        assert texts and not unknown, step


def test_the_glossary_has_one_meaning_a_word() -> None:
    entries = re.findall(r"^- \*\*(.+?)\*\*", (CHECKOUT / "docs" / "glossary.md").read_text(), re.MULTILINE)
    words = [word for entry in entries for word in entry.split(", ")]
    assert len(words) > 80
    assert sorted(words) == sorted(set(words))
