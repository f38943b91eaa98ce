"""Our infrastructure through the Terraform command line: bootstrap, plan, apply exactly that plan, outputs."""

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path

from python_terraform import IsFlagged

from fleet.adapters.aws import temporary_credentials
from fleet.adapters.terraform import cli
from fleet.adapters.terraform.cli import Finished, Line, parse_line
from fleet.adapters.terraform.configuration import working_copy
from fleet.adapters.terraform.state import (
    STATE_KEY,
    StateStore,
    StoreStatus,
    existing_names,
    lock_holder,
    state_store,
    store_status,
)
from fleet.errors import Conflict, FleetError, NotConfigured, NotFound, Unavailable
from fleet.infrastructure.outputs import Outputs, parse_outputs
from fleet.infrastructure.plan import Plan, parse_plan
from fleet.settings import Settings

INIT_TIMEOUT_S = 300
_MAX_ERRORS = 3
_OTHER_ROOTS = ("backend", "workers")
_LOCKED, _STALE = "Error acquiring the state lock", "Saved plan is stale"
_EXISTS = re.compile(r"\b(Entity|Resource)AlreadyExists")
"""AWS's refusal to make a thing twice. Terraform did not know of it: a create was done and its answer lost."""


def _ignore(line: Line) -> None:
    """For callers that do not watch."""


class Terraform:
    """Terraform for one project's settings.

    `on_line` receives each line as Terraform prints it. A plan or an apply waits `terraform_lock_timeout_s` of the
    settings for another one to end, then it fails with `Conflict`, which names who holds the lock and since when.
    `file_system` is where shared provider mirrors are looked for. Raises `NotConfigured` if there is no Terraform.
    Credentials go to Terraform by environment only.
    """

    def __init__(
        self,
        settings: Settings,
        on_line: Callable[[Line], None] = _ignore,
        file_system: Path = Path("/"),
    ) -> None:
        self._settings = settings
        self._on_line = on_line
        self._lock_timeout = f"{settings.terraform_lock_timeout_s:.0f}s"
        self._program = cli.find_program()
        self._mirror = cli.find_mirror(settings.terraform_mirror, Path.home(), file_system)
        self._root = settings.terraform_dir.resolve()
        self._work = settings.state_dir.resolve() / "terraform"
        self._store: StateStore | None = None
        self._work.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (self._root / "versions.tf").is_file():
            raise NotConfigured(f"FLEET_TERRAFORM_DIR is {settings.terraform_dir}, but no configuration is in it.")
        with self._alone("configuration"):
            self._root = working_copy(self._root, self._work)

    @property
    def has_mirror(self) -> bool:
        """Whether the providers are on this machine; else only a registry has them."""
        return self._mirror is not None

    @property
    def description(self) -> str:
        """Which Terraform and which providers, for a person."""
        program = f"{self._program.executable} {self._program.prefix}".strip()
        return f"{program}, providers from {self._mirror or 'the registry'}"

    def check(self) -> None:
        """Check the format and the validity of the configuration; no account is needed. Raises `FleetError`.

        Use a `state_dir` of its own: it leaves the configuration without a backend.
        """
        unformatted = self._run("fmt", [str(self._root)], {"check": IsFlagged, "recursive": IsFlagged}, quiet=True)
        if unformatted.exit_code:
            files = unformatted.output.decode().split()
            raise FleetError(f"Not in Terraform's format: {', '.join(files)}; run terraform fmt -recursive.")
        for root in (self._root, *(self._root / name for name in _OTHER_ROOTS)):
            self._install_providers(root, {"backend": False})
            finished = self._run("validate", options={"no_color": IsFlagged}, root=root, quiet=True)
            if finished.exit_code:
                raise FleetError(f"{root} is not valid: {finished.errors.strip()}")

    def bootstrap(self) -> bool:
        """Make the state's bucket and lock table where they are missing; False if all was there already.

        The bootstrap keeps no state: what exists is imported anew, so it converges from any machine.
        """
        with self._alone("bootstrap"):  # the second run on this machine finds what the first one made
            store = state_store(self._settings)
            status = store_status(self._settings, store)
            if not status.is_ready:
                self._make_store(store, status)
            return not status.is_ready

    def _make_store(self, store: StateStore, status: StoreStatus) -> None:
        root = self._root / "backend"
        state = self._work / "backend.tfstate"
        state.unlink(missing_ok=True)
        self._install_providers(root, {"backend_config": {"path": str(state)}, "reconfigure": IsFlagged})
        variables = {
            "bucket": store.bucket,
            "lock_table": store.lock_table,
            "bucket_exists": status.bucket_exists,
            "lock_table_exists": status.lock_table_exists,
            "use_path_style": bool(self._settings.aws_endpoint_url),
        }
        options = {"auto_approve": IsFlagged, "input": False, "var": variables, "json": IsFlagged}
        self._checked(self._run("apply", options=options, root=root), "make the state's bucket and lock table")
        state.unlink(missing_ok=True)

    def init(self) -> StateStore:
        """Install the providers and connect the state, once. The bucket must exist: `bootstrap` first."""
        if self._store is not None:
            return self._store
        store = state_store(self._settings)
        backend = {
            "bucket": store.bucket,
            "key": STATE_KEY,
            "region": self._settings.aws_region,
            "dynamodb_table": store.lock_table,
            "encrypt": "true",
            "use_path_style": "true" if self._settings.aws_endpoint_url else "false",
        }
        done = self._work / f"{self._root.name}-data" / "init-done"
        with self._alone("init"):  # an init rewrites files that another run's plan reads: it must find that it is done
            if not done.is_file() or done.read_text() != self._init_key(backend):
                self._connect(backend)
                done.write_text(self._init_key(backend))
        self._store = store
        return store

    def _connect(self, backend: dict[str, str]) -> None:
        if self._mirror is None:
            self._install_providers(self._root, {"backend": False})
        options = {"backend_config": backend, "reconfigure": IsFlagged}
        self._checked(self._init(self._root, options), "connect to its state")

    def _init_key(self, backend: dict[str, str]) -> str:
        """What an init depends on. While it is the same, the seconds of hashing the provider again are saved."""
        lock = self._root / ".terraform.lock.hcl"
        files = [file.read_text() if file.is_file() else "" for file in (self._root / "versions.tf", lock)]
        key = repr((backend, str(self._root), str(self._mirror), self._program, files))
        return hashlib.sha256(key.encode()).hexdigest()

    def variables(self, destroy: bool = False) -> dict[str, str | list[str]]:
        """The variables that come out of the settings: a plan by hand without them would remove what they made.

        Asks AWS which of the project's names exist. Those that TF_VAR_... sets are not among them.
        """
        return {
            "project": self._settings.project,
            "sender_email": self._settings.sender_email,
            "alarm_email": self._settings.alarm_email,
            "existing": [] if destroy else existing_names(self._settings),
        }

    def plan(self, name: str, destroy: bool = False) -> Plan:
        """Plan into a file of that name, readable by its owner only, and say what it would change."""
        store = self.init()
        file = self._plan_file(name)
        file.touch(mode=0o600)
        options = {
            "out": str(file), "input": False, "json": IsFlagged, "lock_timeout": self._lock_timeout,
            "var": self.variables(destroy),
            "destroy": IsFlagged if destroy else None,
        }  # fmt: skip
        self._checked(self._run("plan", options=options), "plan", store)
        # What `show` prints holds secrets: it is parsed here and not handed on.
        shown = self._run("show", [str(file)], {"json": IsFlagged}, quiet=True)
        return parse_plan(self._checked(shown, "show its plan").output, file, _digest(file))

    def apply(self, plan: Plan) -> None:
        """Apply exactly `plan`. Raises `NotFound` where its file is gone and `Conflict` where it is another one."""
        if not plan.file.is_file():
            raise NotFound(
                f"The plan {plan.file} is gone, so what was approved cannot be applied here: "
                "start the flow again on the machine that shall apply it."
            )
        if _digest(plan.file) != plan.digest:
            raise Conflict(f"The plan {plan.file} is not the one that was approved: start the flow again.")
        store = self.init()
        options = {
            "input": False, "auto_approve": IsFlagged, "json": IsFlagged, "lock_timeout": self._lock_timeout
        }  # fmt: skip
        self._checked(self._run("apply", [str(plan.file)], options), "apply the plan", store)
        plan.file.unlink()

    def free_lock(self, lock_id: str) -> None:
        """Take the lock of that id from whoever died with it. Raises `NotFound` where it is another one's, or nobody's.

        Whoever asks has made sure that its holder is dead: one that lives would go on beside the next.
        """
        holder = lock_holder(self._settings, self.init())
        if holder is None or lock_id != holder.ID:
            held = f"{holder.ID} of {holder.Who} since {holder.Created} is" if holder else "none is"
            raise NotFound(
                f"There is no lock {lock_id} to free, {held} held: start the flow again without lock_to_free."
            )
        self._checked(self._run("force-unlock", [lock_id], {"force": IsFlagged}, quiet=True), "free its lock")

    def outputs(self) -> Outputs:
        """What the applied infrastructure hands out."""
        finished = self._run("output", options={"json": IsFlagged}, quiet=True)
        return parse_outputs(self._checked(finished, "read its outputs").output)

    def _plan_file(self, name: str) -> Path:
        folder = self._work / "plans"
        folder.mkdir(exist_ok=True, mode=0o700)
        file = folder / f"{name}.tfplan"
        file.unlink(missing_ok=True)
        return file

    def _install_providers(self, root: Path, options: dict[str, object]) -> None:
        finished = self._init(root, options)
        if finished.exit_code and self._mirror is None:
            raise NotConfigured(
                "Terraform has no AWS provider: its registry does not answer and no unpacked mirror was found; "
                "name one with FLEET_TERRAFORM_MIRROR."
            )
        self._checked(finished, "install its providers")

    def _init(self, root: Path, options: dict[str, object]) -> Finished:
        plugins = {"plugin_dir": str(self._mirror)} if self._mirror else {}
        everything = {"input": False, "json": IsFlagged, **plugins, **options}
        return self._run("init", options=everything, root=root, quiet=True, timeout_s=INIT_TIMEOUT_S)

    @contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        """Held by one process of this machine at a time; freed by the kernel when that ends, however it ends."""
        with (self._work / f"{name}.lock").open("w") as lock:
            flock(lock, LOCK_EX)
            yield

    def _run(
        self,
        command: str,
        arguments: Sequence[str] = (),
        options: dict[str, object] | None = None,
        root: Path | None = None,
        quiet: bool = False,
        timeout_s: float | None = None,
    ) -> Finished:
        folder = root or self._root
        limit = timeout_s or self._settings.terraform_timeout_s
        environment = self._environment(folder)
        forward = (lambda raw: None) if quiet else (lambda raw: self._on_line(parse_line(raw)))
        call = (command, arguments, options or {})
        finished = cli.run(self._program, call, folder, environment, limit, forward)
        if finished.timed_out:
            raise Unavailable(f"Terraform {command} was stopped after {limit:.0f} s: see FLEET_TERRAFORM_TIMEOUT_S.")
        return finished

    def _environment(self, root: Path) -> dict[str, str]:
        settings = self._settings
        environment = {name: value for name, value in os.environ.items() if name != "AWS_ENDPOINT_URL"}
        if not Path(environment.get("TF_CLI_CONFIG_FILE", "/")).exists():
            del environment["TF_CLI_CONFIG_FILE"]  # Terraform would print a warning into what we read
        environment |= {
            "AWS_REGION": settings.aws_region,
            "TF_DATA_DIR": str(self._work / f"{root.name}-data"),
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
        }
        if settings.aws_endpoint_url:
            environment["AWS_ENDPOINT_URL"] = settings.aws_endpoint_url
        return environment | self._credentials()

    def _credentials(self) -> dict[str, str]:
        """Those of the settings' role for this command alone, or the settings' keys, or what Terraform finds itself."""
        settings = self._settings
        key, secret = settings.aws_access_key_id, settings.aws_secret_access_key.get_secret_value()
        token = settings.aws_session_token.get_secret_value()
        if settings.aws_role_arn:
            taken = temporary_credentials(settings)
            key, secret, token = taken.access_key, taken.secret_key, taken.token or ""
        named = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": token}
        return {name: value for name, value in named.items() if value}

    def _checked(self, finished: Finished, doing: str, store: StateStore | None = None) -> Finished:
        """`finished`, or the `FleetError` that says why it failed."""
        if finished.exit_code == 0:
            return finished
        lines = [parse_line(raw) for raw in finished.output.splitlines()]
        problems = [line for line in lines if line.kind == "diagnostic" and line.level == "error"]
        # A lock that is still held after our command ended is another's, and a refused lock points at no resource.
        may_be_lock = store and not any(line.is_positioned for line in problems)
        if store and may_be_lock and (holder := lock_holder(self._settings, store)):
            raise Conflict(
                f"Terraform's state is locked by {holder.Who} since {holder.Created} ({holder.Operation}): "
                f"wait for that run, or if it died, start the flow again with lock_to_free={holder.ID} "
                f"(by hand: terraform force-unlock {holder.ID})."
            )
        if may_be_lock and any(_LOCKED in line.text for line in problems):
            raise Unavailable("Terraform's state was locked by another run until a moment ago: try again.")
        if any(_STALE in line.text for line in problems):
            raise Conflict("Another run has changed the infrastructure since this plan was made: start the flow again.")
        told = " ".join(line.text for line in problems[:_MAX_ERRORS]) or finished.errors or "it said nothing"
        if any(_EXISTS.search(line.text) for line in problems):
            raise Conflict(f"Terraform could not {doing}, run the flow again and it adopts what exists: {told}")
        raise FleetError(f"Terraform could not {doing}: {told}")


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
