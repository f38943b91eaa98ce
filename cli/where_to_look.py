"""What the demo says once it is up: where to look, who signs in where, a free battery's link, and what to try."""

import sys

_WIDEST = 110


def print_box(prefect_url: str, base_url: str, operator: str, free: str, link: str) -> None:
    """Print it on stdout. `free` is the battery that `link` registers, both empty where none is left.

    The link stands below the box, on a line of its own: it is to be copied.
    """
    from rich import box
    from rich.console import Console, Group
    from rich.panel import Panel
    from rich.table import Table

    places = Table.grid(padding=(0, 2))
    for is_whole in (True, True, False):
        places.add_column(no_wrap=is_whole)
    for place in (
        ("Web app", base_url, "any mail address; its code appears here"),
        ("Operators", f"{base_url}/dispatches", f"as {operator}, likewise"),
        ("Prefect UI", prefect_url, "nobody signs in"),
    ):
        places.add_row(*place)
    tries = [
        f"register {free} with the link below" if free else "",
        "on Dispatches, watch the batteries once the event begins",
        "in the Prefect UI, run provision-devices for more batteries",
    ]
    lines = [f"{number}. {text}" for number, text in enumerate(filter(None, tries), start=1)]
    console = Console(highlight=False, file=sys.stdout)
    console.width = min(console.width, _WIDEST)
    shown = Group(places, "", "To try:", *lines)
    console.print(Panel(shown, box=box.ROUNDED, title="It runs. Ctrl-C stops everything"))
    if link:
        print(f"{free}, for 15 minutes: {link}", flush=True)
