"""What the parsers of all groups of commands share; what a command does is imported when it runs."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module

Command = Callable[[argparse.Namespace], int]


def lazy(module: str, name: str) -> Command:
    """Return a command whose module is loaded when it runs: most runs need one of many.

    Args:
        module: below ``tailscale_sdk.cli``.
        name: of the function.
    """

    def run(options: argparse.Namespace) -> int:
        command: Command = getattr(import_module(f"tailscale_sdk.cli.{module}"), name)
        return command(options)

    return run


def add_command(
    inner: argparse._SubParsersAction[argparse.ArgumentParser], name: str, help_: str, run: Command
) -> argparse.ArgumentParser:
    """Add a command that prints JSON on request."""
    found = inner.add_parser(name, help=help_, description=help_)
    found.add_argument("--json", action="store_true", help="print JSON")
    found.set_defaults(run=run)
    return found


def add_profile(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Let a command choose a profile."""
    parser.add_argument("--profile", metavar="NAME", help="named profile of tailscale-sdk/config.toml")
    return parser


def add_tailnet(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Let a command read a snapshot file in place of the tailnet."""
    parser.add_argument(
        "--tailnet", metavar="SNAPSHOT", help="snapshot file; the tailnet itself is read when left out"
    )
    return add_profile(parser)
