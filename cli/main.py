"""The entry point of `fleet`: says so where only the device agent is installed."""

import sys


def main() -> None:
    """Run the command line, or say what to install for it."""
    try:
        from cli.app import main as run
    except ModuleNotFoundError as error:
        print(f"fleet: {error.name} is missing: install the cloud part (pip install 'flip-fleet[cloud,local]').")
        sys.exit(3)
    run()


if __name__ == "__main__":
    main()
