"""The parsers of ``audit``."""

from __future__ import annotations

import argparse

from tailscale_sdk.cli.fleet import add_plan
from tailscale_sdk.cli.parsing import add_command, add_profile, add_tailnet, lazy

_FORMS = (
    "text",
    "json",
    "ndjson",
    "csv",
    "markdown",
    "html",
    "sarif",
    "junit",
    "github",
    "evidence-csv",
    "evidence-json",
    "prometheus",
)
_SEVERITIES = ("info", "low", "medium", "high", "critical", "none")


def add_audit_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the ``audit`` command: alone it audits, and it has commands of its own."""
    help_ = "say what is wrong with a tailnet, how bad it is, and plan what mends it"
    found = commands.add_parser("audit", help=help_, description=help_)
    found.add_argument("--json", action="store_true", help="print JSON, as --format json")
    found.set_defaults(run=lazy("audit", "audit_command"))
    _add_output(found)
    _add_gate(found)
    add_rules(found)
    add_tailnet(found)
    inner = found.add_subparsers(metavar="command", dest="audit_command")
    fix = add_command(inner, "fix", "plan what removes findings", lazy("audit", "fix_command"))
    fix.add_argument(
        "findings", metavar="CHECK|FINGERPRINT", nargs="+", help="checks such as SET-01, or findings"
    )
    fix.add_argument("--risky", action="store_true", help="also what people will notice")
    add_rules(fix)
    add_plan(fix)
    explain = add_command(inner, "explain", "show all of one finding", lazy("audit", "explain_command"))
    explain.add_argument("finding", metavar="FINGERPRINT", help="its first eight characters are enough")
    add_rules(explain)
    add_tailnet(explain)
    add_command(inner, "checks", "list every check", lazy("audit", "checks_command"))
    add_profile(
        add_command(inner, "history", "list earlier runs with their counts", lazy("audit", "history_command"))
    )


def add_rules(parser: argparse.ArgumentParser) -> None:
    """Let a command take what a tailnet says of its own audits."""
    parser.add_argument("--waivers", metavar="FILE", help="waivers and attestations: TOML, JSON or YAML")
    parser.add_argument("--rules", metavar="FILE", help="thresholds and severities: TOML, JSON or YAML")
    parser.add_argument(
        "--allow-broad", action="store_true", help="a waiver for all of a critical check may count"
    )
    parser.add_argument("--deep", action="store_true", help="also what takes a call for each device")


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=_FORMS, default="text", help="(%(default)s)")
    parser.add_argument("--out", metavar="FILE", help="write here, readable by you alone")
    parser.add_argument("--all", action="store_true", help="text: every finding, not only what to do first")
    parser.add_argument(
        "--policy-path",
        metavar="PATH",
        default="policy.hujson",
        help="the policy in the repository, for SARIF and GitHub (%(default)s)",
    )
    parser.add_argument(
        "--check", metavar="ID", action="append", default=[], help="only this check (repeatable)"
    )


def _add_gate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--fail-on", choices=_SEVERITIES, default="high", help="exit 1 from there on (%(default)s)"
    )
    parser.add_argument("--fail-on-unknown", action="store_true", help="exit 1 where a part was not read")
    parser.add_argument("--only-new", action="store_true", help="exit 1 only for what the run before had not")
    parser.add_argument("--baseline", metavar="FILE", help="JSON of an earlier run to compare with")
    parser.add_argument(
        "--no-history", action="store_true", help="neither compare with the last run nor keep this one"
    )
