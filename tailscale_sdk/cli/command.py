"""Parse the command line, run one command, turn every failure into one line and an exit code."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Sequence

from tailscale_sdk._printing import printed
from tailscale_sdk._version import __version__
from tailscale_sdk.cli.audit_parsers import add_audit_commands
from tailscale_sdk.cli.files import write_private
from tailscale_sdk.cli.fleet import add_changes_commands, add_devices_commands
from tailscale_sdk.cli.fleet_areas import (
    add_keys_commands,
    add_lifecycle_commands,
    add_network_commands,
    add_tags_commands,
    add_users_commands,
)
from tailscale_sdk.cli.policy import add_policy_commands
from tailscale_sdk.cli.tables import table
from tailscale_sdk.errors import ConfigurationError, HuJSONError, PolicyError, TailscaleError

DONE, FINDINGS, WRONG_USE, API_FAILED, INTERRUPTED = 0, 1, 2, 3, 130
Command = Callable[[argparse.Namespace], int]
_TERM = re.compile(r"-[a-z_]+:")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: words after the program's name; those of the process when left out.

    Returns:
        0 done, 1 findings, 2 wrong use, 3 the API could not be reached or refused, 130 interrupted.
    """
    return printed(lambda: _run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    parser = _parser()
    try:
        options, rest = parser.parse_known_args(arguments)
        _take_rest(parser, options, rest)
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else WRONG_USE
    command: Command = options.run
    try:
        return command(options)
    except (ConfigurationError, HuJSONError, PolicyError) as error:
        return _fail(error, WRONG_USE, as_json=options.json)
    except TailscaleError as error:
        return _fail(error, API_FAILED, as_json=options.json)
    except KeyboardInterrupt:
        return INTERRUPTED


def _take_rest(parser: argparse.ArgumentParser, options: argparse.Namespace, rest: Sequence[str]) -> None:
    """Give what stands behind an option, or looks like one, to the query it belongs to."""
    if rest and not (
        hasattr(options, "query") and all(_TERM.match(word) or not word.startswith("-") for word in rest)
    ):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        options.query = [*options.query, *rest]


def _fail(error: TailscaleError, code: int, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps({"error": str(error), **_position(error)}, ensure_ascii=False))
    else:
        where = ", ".join(f"{name} {value}" for name, value in _position(error).items() if name != "pointer")
        print(f"tailscale-sdk: {where + ': ' if where else ''}{error}", file=sys.stderr)
    return code


def _position(error: TailscaleError) -> dict[str, object]:
    """Return where in a policy an error is, as far as that is known."""
    if not isinstance(error, PolicyError):
        return {}
    found = {"pointer": error.pointer, "line": error.line, "column": error.column}
    return {name: value for name, value in found.items() if value is not None}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tailscale-sdk", description="Work with a tailnet from the command line."
    )
    parser.add_argument("--version", action="version", version=f"tailscale-sdk {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command", dest="command")
    found = commands.add_parser("operations", help="list the 90 operations of the API and their methods")
    found.add_argument(
        "--json", action="store_true", help="print a JSON list with every field of an operation"
    )
    found.set_defaults(run=_operations)
    found = commands.add_parser("snapshot", help="read a whole tailnet into one file, without any secret")
    found.add_argument(
        "--out", metavar="FILE", help="write here, readable by you alone, instead of standard output"
    )
    found.add_argument("--profile", metavar="NAME", help="named profile of tailscale-sdk/config.toml")
    found.add_argument("--json", action="store_true", help="print errors as JSON too; the snapshot always is")
    found.set_defaults(run=_snapshot)
    found = commands.add_parser("completion", help="print what completes commands in a shell")
    found.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    found.set_defaults(run=_completion, json=False)
    add_audit_commands(commands)
    add_policy_commands(commands)
    add_changes_commands(commands)
    add_devices_commands(commands)
    add_network_commands(commands)
    add_lifecycle_commands(commands)
    add_tags_commands(commands)
    add_keys_commands(commands)
    add_users_commands(commands)
    return parser


def _completion(options: argparse.Namespace) -> int:
    """Print a script to be sourced; nothing is asked of the program while a person types."""
    import shtab

    print(shtab.complete(_parser(), options.shell))
    return DONE


def _operations(options: argparse.Namespace) -> int:
    from tailscale_sdk._generated.operations import OPERATIONS

    if options.json:
        print(json.dumps([operation._asdict() for operation in OPERATIONS.values()], indent=1))
        return DONE
    rows = [
        (f"{o.resource}.{o.method}", o.effect, o.http_method, o.path, " ".join(o.scopes) or "-")
        for o in OPERATIONS.values()
    ]
    print(table(("method", "effect", "http", "path", "scopes"), rows))
    return DONE


def _snapshot(options: argparse.Namespace) -> int:
    from tailscale_sdk.client import Tailscale
    from tailscale_sdk.operations.reading import take_snapshot

    with Tailscale.from_env(options.profile) as client:
        snapshot = take_snapshot(client)
    missing = {name: reason for name, reason in snapshot.content["coverage"].items() if reason != "read"}
    for name, reason in missing.items():
        print(f"tailscale-sdk: {name} was not read: {reason}", file=sys.stderr)
    if options.out is None:
        sys.stdout.write(snapshot.to_json())
        sys.stdout.flush()
    else:
        write_private(options.out, snapshot.to_json())
        print(f"{len(snapshot.devices)} devices written to {options.out}", file=sys.stderr)
    return DONE
