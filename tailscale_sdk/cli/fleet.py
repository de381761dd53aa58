"""The parsers of the commands that look after a fleet."""

from __future__ import annotations

import argparse

from tailscale_sdk.cli.parsing import add_command, add_profile, lazy


def add_changes_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the ``changes`` command with its own commands."""
    group = commands.add_parser("changes", help="what was changed from here, its rest, and the way back")
    inner = group.add_subparsers(required=True, metavar="command", dest="changes_command")
    found = add_command(
        inner, "list", "list the last changes, the newest first", lazy("changes", "list_command")
    )
    found.add_argument("--limit", metavar="N", type=int, default=20, help="how many (%(default)s)")
    add_profile(found)
    found = add_command(
        inner,
        "open",
        "look at what never came to its end, and settle it by reading",
        lazy("changes", "open_command"),
    )
    add_profile(found)
    for name, help_, applies in (
        ("show", "show what became of each item of a change", False),
        ("resume", "plan the rest of a change that was broken off; nothing done is done again", True),
        ("undo", "plan what takes a change back, where the API allows it", True),
    ):
        found = add_command(inner, name, help_, lazy("changes", f"{name}_command"))
        found.add_argument("change", metavar="CHANGE", help="id that list or a report printed")
        if applies:
            found.add_argument("--apply", action="store_true", help="carry the plan out at once")
        add_profile(found)
    found = add_command(inner, "apply", "carry out a plan, once", lazy("changes", "apply_command"))
    found.add_argument("plan", metavar="PLAN", help="id that another command printed")
    add_profile(found)
