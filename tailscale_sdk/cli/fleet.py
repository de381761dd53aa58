"""The parsers of ``changes`` and ``devices``."""

from __future__ import annotations

import argparse

from tailscale_sdk._constants import MAX_CHANGES, MAX_PERCENT
from tailscale_sdk.cli.parsing import add_command, add_profile, add_tailnet, lazy


def add_changes_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the ``changes`` command with its own commands."""
    inner = group(commands, "changes", "what was changed from here, its rest, and the way back")
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


def group(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, help_: str
) -> argparse._SubParsersAction[argparse.ArgumentParser]:
    """Add a command that has commands of its own."""
    found = commands.add_parser(name, help=help_, description=help_)
    return found.add_subparsers(required=True, metavar="command", dest=f"{name}_command")


def add_query(parser: argparse.ArgumentParser, *, changes: bool = False) -> None:
    """Let a command take a query."""
    parser.add_argument(
        "query",
        metavar="QUERY",
        nargs="*",
        help="terms such as tag:prod os:linux seen:>30d -name:web-*",
    )
    if changes:
        parser.add_argument("--everything", action="store_true", help="every device may be meant")


def add_plan(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Let a command carry its plan out, and raise its caps."""
    parser.add_argument("--apply", action="store_true", help="carry the plan out at once")
    parser.add_argument(
        "--max-changes", metavar="N", type=int, default=MAX_CHANGES, help="most items (%(default)s)"
    )
    parser.add_argument(
        "--max-percent",
        metavar="P",
        type=float,
        default=MAX_PERCENT,
        help="most of all objects of that kind, in percent; five are always allowed (%(default)g)",
    )
    return add_profile(parser)


def add_devices_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the ``devices`` command with its own commands."""
    inner = group(commands, "devices", "find, judge, export and change devices")
    _add_device_reads(inner)
    _add_export(inner)
    for name, help_ in (
        ("authorize", "approve devices"),
        ("deauthorize", "take the approval of devices back"),
        ("expire", "expire the keys of devices: somebody has to log in on them again"),
        ("delete", "remove devices, which cannot be taken back"),
    ):
        found = add_command(inner, name, help_, lazy("devices", f"{name}_command"))
        add_query(found, changes=True)
        add_plan(found)
    _add_tags_and_attributes(inner)
    found = add_command(
        inner, "key-expiry", "switch key expiry of devices on or off", lazy("devices", "key_expiry_command")
    )
    found.add_argument("state", choices=("on", "off"))
    add_query(found, changes=True)
    found.add_argument(
        "--allow-expired", action="store_true", help="also where the key would count as expired at once"
    )
    add_plan(found)
    found = add_command(inner, "rename", "give a device another name", lazy("devices", "rename_command"))
    found.add_argument("device", metavar="DEVICE")
    found.add_argument(
        "name", metavar="NAME", nargs="?", default="", help="the one of its operating system when left out"
    )
    add_plan(found)
    found = add_command(
        inner, "address", "give a device another IPv4 address", lazy("devices", "address_command")
    )
    found.add_argument("device", metavar="DEVICE")
    found.add_argument("address", metavar="ADDRESS")
    add_plan(found)
    found = add_command(
        inner,
        "clean-up",
        "remove what is left over of machines that are there twice",
        lazy("devices", "clean_up_command"),
    )
    found.add_argument("--confidence", choices=("certain", "high", "medium"), default="high")
    add_plan(found)


def _add_device_reads(inner: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    found = add_command(inner, "list", "list the devices that match", lazy("devices", "list_command"))
    add_query(found)
    found.add_argument("--fields", metavar="NAMES", help="columns, separated by commas")
    found.add_argument("--sort", metavar="NAMES", default="name", help="columns; - before one turns it round")
    found.add_argument("--limit", metavar="N", type=int, help="most rows")
    add_tailnet(found)
    found = add_command(
        inner, "search", "find devices by whatever is remembered of them", lazy("devices", "search_command")
    )
    found.add_argument("text", metavar="TEXT")
    add_tailnet(found)
    found = add_command(
        inner, "show", "show everything that is known of a device", lazy("devices", "show_command")
    )
    found.add_argument("device", metavar="DEVICE")
    add_tailnet(found)
    add_tailnet(
        add_command(inner, "status", "count what an admin looks for first", lazy("devices", "status_command"))
    )
    found = add_command(
        inner,
        "duplicates",
        "list machines that are there twice or were renamed",
        lazy("devices", "duplicates_command"),
    )
    found.add_argument("--since", metavar="SNAPSHOT", help="say what changed since then instead")
    add_tailnet(found)


_FORMATS = (
    "json",
    "ndjson",
    "csv",
    "markdown",
    "ansible",
    "ansible-json",
    "ssh-config",
    "hosts",
    "dnsmasq",
    "file-sd",
    "terraform",
)


def _add_export(inner: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    found = add_command(
        inner, "export", "write devices in the format of another program", lazy("devices", "export_command")
    )
    add_query(found)
    found.add_argument("--format", choices=_FORMATS, required=True)
    found.add_argument("--fields", metavar="NAMES", help="columns of json, ndjson, csv and markdown")
    found.add_argument("--out", metavar="FILE", help="write here, readable by you alone")
    found.add_argument("--into", metavar="FILE", help="replace the managed block of this file, nothing else")
    found.add_argument("--strip-tag", action="store_true", help="Ansible: leave tag_ out of group names")
    found.add_argument("--by-address", action="store_true", help="Ansible: reach hosts by address")
    found.add_argument(
        "--ssh-user", metavar="TAG=USER", action="append", default=[], help="SSH: login by tag (repeatable)"
    )
    found.add_argument(
        "--port", metavar="N", type=int, default=9100, help="Prometheus: of the exporter (%(default)s)"
    )
    add_tailnet(found)


def _add_tags_and_attributes(inner: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    found = add_command(inner, "tags", "add, remove or set tags of devices", lazy("devices", "tags_command"))
    add_query(found, changes=True)
    for name in ("add", "remove", "exactly"):
        found.add_argument(f"--{name}", metavar="TAG", action="append", default=[], help="(repeatable)")
    found.add_argument("--allow-untagged", action="store_true", help="the last tag of a device may go")
    add_plan(found)
    found = add_command(
        inner, "attribute", "set or remove a custom posture attribute", lazy("devices", "attribute_command")
    )
    found.add_argument("key", metavar="custom:KEY")
    found.add_argument("--value", metavar="VALUE", help="text, number, true or false; removed when left out")
    found.add_argument("--comment", metavar="TEXT", help="noted in the tailnet's audit log")
    add_query(found, changes=True)
    add_plan(found)
