"""What the factory is asked for: one order a device, checked before anything is made."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fleet import devices
from fleet.devices import ThingName
from fleet.errors import FleetError, InvalidInput
from fleet.products import PRODUCTS_FILE, model_named, products
from fleet.text_files import read_table, read_text

MOST_DEVICES = 1_000_000
"""Of one order."""


@dataclass(frozen=True)
class Order:
    """One device to provision. `csr_pem` is given when the key was made on the device and stays there."""

    thing_name: ThingName
    model: str
    csr_pem: str | None = None


def orders_from_names(names: Iterable[str], model: str) -> list[Order]:
    """One order a name. Raises `InvalidInput` naming every bad or repeated name, before anything is made."""
    return _checked([(name, model, None) for name in names])


def orders_from_count(count: int, prefix: str, model: str) -> list[Order]:
    """`count` orders named `prefix-0001` and on."""
    if not 1 <= count <= MOST_DEVICES:
        raise InvalidInput(f"The count is {count}: ask for 1 to {MOST_DEVICES:,} devices.")
    return orders_from_names([numbered(prefix, number) for number in range(1, count + 1)], model)


def numbered(prefix: str, number: int) -> str:
    """The thing name of that device of a count, from 1."""
    return f"{prefix}-{number:04d}"


def orders_from_csv(file: Path, model: str) -> list[Order]:
    """One order a line of a CSV with a header: `thing_name`, and `model` if it differs from the given one."""
    try:
        rows = read_table(file, "thing_name")
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{file} cannot be read as CSV: {error}") from error
    if not rows:
        raise InvalidInput(f"{file} needs a header line with the column thing_name, and at least one device.")
    return _checked([(row["thing_name"], row.get("model") or model, None) for row in rows])


def orders_from_requests(folder: Path, model: str) -> list[Order]:
    """One order a `NAME.csr` in `folder`; the keys are on the devices. Raises `InvalidInput` naming bad requests."""
    files = sorted(folder.glob("*.csr")) if folder.is_dir() else []
    if not files:
        raise InvalidInput(f"{folder} holds no file NAME.csr: give the folder of the certificate signing requests.")
    requests, names, problems = dict[Path, str](), dict[str, str](), []
    for file in files:
        try:
            # Read once: what is provisioned is what was checked, whatever becomes of the file meanwhile.
            requests[file] = devices.request_alone(read_text(file))
            digest = devices.request_public_key_sha256(requests[file])
        except (InvalidInput, OSError, ValueError) as error:
            problems.append(f"{file}: {error}")
            continue
        if digest in names:
            problems.append(f"{file}: it is for the same key as {names[digest]}; each device has a key of its own.")
        names[digest] = file.name
    if problems:
        raise InvalidInput(" ".join(problems[:10]))
    return _checked([(file.stem, model, csr_pem) for file, csr_pem in requests.items()])


def _checked(rows: list[tuple[str, str, str | None]]) -> list[Order]:
    orders, problems = [], []
    for name, model, csr_pem in rows:
        try:
            if model_named(model) is None:
                raise InvalidInput(
                    f"{model[:80]!r} is no model that is known here: add it to {PRODUCTS_FILE.name} with what its "
                    f"label says, or use one of {', '.join(sorted(products().models))}."
                )
            orders.append(Order(ThingName(name), model, csr_pem))
        except FleetError as error:
            problems.append(str(error))
    repeated = sorted(name for name, count in Counter(name for name, _, _ in rows).items() if count > 1)
    problems += [f"{name!r} is named more than once." for name in repeated]
    if problems:
        rest = f"; {len(problems) - 10} more problems" if len(problems) > 10 else ""
        raise InvalidInput(f"{' '.join(problems[:10])}{rest} Nothing was provisioned.")
    return orders
