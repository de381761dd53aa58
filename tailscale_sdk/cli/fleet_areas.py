"""The parsers of ``network``, ``lifecycle``, ``connectivity``, ``tags``, ``keys``, ``users`` and ``settings``."""

from __future__ import annotations

import argparse

from tailscale_sdk.cli.fleet import add_plan, group
from tailscale_sdk.cli.parsing import add_command, add_profile, add_tailnet, lazy

_ROLES = ("member", "admin", "it-admin", "network-admin", "billing-admin", "auditor", "owner")


def add_network_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the ``network`` command with its own commands."""
    inner = group(commands, "network", "DNS, subnet routes, exit nodes and services")
    for name, help_, run in (
        ("dns", "show DNS in one picture, and whether its resolvers can be reached", "dns_command"),
        ("routes", "list subnet routes with their routers", "routes_command"),
        ("exit-nodes", "list exit nodes, the best first, and who may use them", "exit_nodes_command"),
    ):
        add_tailnet(add_command(inner, name, help_, lazy("network", run)))
    found = add_command(inner, "resolve", "say who answers for a name", lazy("network", "resolve_command"))
    found.add_argument("name", metavar="NAME")
    add_tailnet(found)
    add_profile(
        add_command(inner, "services", "list services with their hosts", lazy("network", "services_command"))
    )
    found = add_command(
        inner,
        "4via6",
        "print the prefix for a subnet of a site, or read one",
        lazy("network", "four_via_six_command"),
    )
    found.add_argument("site", metavar="SITE|PREFIX")
    found.add_argument("subnet", metavar="SUBNET", nargs="?")
    _add_routes(inner)
    _add_dns(inner)
    _add_services(inner)


def _add_routes(inner: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    for name, help_, run in (
        (
            "approve-routes",
            "approve subnet routes of a device; what is approved stays",
            "approve_routes_command",
        ),
        ("revoke-routes", "take the approval of subnet routes back", "revoke_routes_command"),
        ("set-routes", "set all subnet routes a device may serve; exit routes stay", "set_routes_command"),
    ):
        found = add_command(inner, name, help_, lazy("network", run))
        found.add_argument("device", metavar="DEVICE")
        found.add_argument("prefixes", metavar="PREFIX", nargs="*" if name == "set-routes" else "+")
        found.add_argument("--insist", action="store_true", help="also what can usually only be a mistake")
        add_plan(found)
    found = add_command(
        inner,
        "approve-pending",
        "approve offered subnets inside allowed prefixes",
        lazy("network", "approve_pending_command"),
    )
    found.add_argument("--allow", metavar="PREFIX", action="append", required=True, help="(repeatable)")
    add_plan(found)
    for name, help_ in (
        ("approve-exit", "let a device be an exit node; its subnet routes stay"),
        ("revoke-exit", "let a device be no exit node any more; its subnet routes stay"),
    ):
        found = add_command(inner, name, help_, lazy("network", f"{name.replace('-', '_')}_command"))
        found.add_argument("device", metavar="DEVICE")
        if name == "revoke-exit":
            found.add_argument("--insist", action="store_true", help="also the last one")
        add_plan(found)


def _add_dns(inner: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    for name, what in (("nameservers", "ADDRESS"), ("search-paths", "DOMAIN")):
        found = add_command(
            inner,
            name,
            f"add or remove {name.replace('-', ' ')}",
            lazy("network", f"{name.replace('-', '_')}_command"),
        )
        for way in ("add", "remove"):
            found.add_argument(f"--{way}", metavar=what, action="append", default=[], help="(repeatable)")
        add_plan(found)
    found = add_command(
        inner,
        "split-dns",
        "set the resolvers of one domain; none takes it away",
        lazy("network", "split_dns_command"),
    )
    found.add_argument("domain", metavar="DOMAIN")
    found.add_argument("servers", metavar="ADDRESS", nargs="*")
    add_plan(found)
    found = add_command(inner, "magic-dns", "switch MagicDNS on or off", lazy("network", "magic_dns_command"))
    found.add_argument("state", choices=("on", "off"))
    add_plan(found)


def _add_services(inner: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    found = add_command(
        inner, "define-service", "create a service, or change one", lazy("network", "define_service_command")
    )
    found.add_argument("service", metavar="svc:NAME")
    found.add_argument("--port", metavar="tcp:N", action="append", required=True, help="(repeatable)")
    found.add_argument("--tag", metavar="TAG", action="append", default=[], help="(repeatable)")
    found.add_argument("--comment", metavar="TEXT")
    add_plan(found)
    found = add_command(
        inner, "delete-service", "delete a service", lazy("network", "delete_service_command")
    )
    found.add_argument("service", metavar="svc:NAME")
    add_plan(found)
    found = add_command(
        inner,
        "approve-hosts",
        "approve the devices that offer a service",
        lazy("network", "approve_hosts_command"),
    )
    found.add_argument("service", metavar="svc:NAME")
    found.add_argument(
        "--device", metavar="DEVICE", action="append", default=[], help="only this one (repeatable)"
    )
    found.add_argument("--revoke", action="store_true", help="take the approval back")
    add_plan(found)


def add_lifecycle_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the ``lifecycle`` and ``connectivity`` commands."""
    inner = group(commands, "lifecycle", "silent devices: report, mark, quarantine, remove")
    found = add_command(
        inner,
        "status",
        "show the stage of every device that is not active",
        lazy("lifecycle", "status_command"),
    )
    _add_thresholds(found)
    add_tailnet(found)
    for name, help_ in (
        ("run", "whatever is due: mark, quarantine, remove; of each device one thing"),
        ("mark", "mark stale devices with a posture attribute"),
        ("quarantine", "cut silent devices off so that they can come back"),
        ("remove", "remove devices that were in quarantine long enough"),
    ):
        found = add_command(inner, name, help_, lazy("lifecycle", "step_command"))
        found.set_defaults(step=name, method="expire", grace="14d", skip_quarantine=False)
        _add_thresholds(found)
        if name in {"quarantine", "run"}:
            found.add_argument("--method", choices=("expire", "deauthorize"), default="expire")
        if name in {"remove", "run"}:
            found.add_argument(
                "--grace", metavar="DURATION", default="14d", help="in quarantine (%(default)s)"
            )
        if name == "remove":
            found.add_argument(
                "--skip-quarantine", action="store_true", help="in one go, for --remove 60d and the like"
            )
        found.add_argument("--notify", metavar="COMMAND", help="gets each notice as a line of JSON first")
        add_plan(found)
    found = add_command(
        commands,
        "connectivity",
        "who talks to the control server, and who is silent",
        lazy("lifecycle", "connectivity_command"),
    )
    found.add_argument(
        "--silent",
        metavar="DURATION",
        default="24h",
        help="allowed silence, longer ones exit with 1 (%(default)s)",
    )
    add_tailnet(found)


def _add_thresholds(parser: argparse.ArgumentParser) -> None:
    for name, days in (("quiet", 7), ("stale", 30), ("quarantine", 60), ("remove", 90)):
        parser.add_argument(
            f"--{name}", metavar="DURATION", dest=name, help=f"silence of that stage ({days}d)"
        )
    parser.add_argument(
        "--rules", metavar="FILE", help="TOML: [[rule]] query and thresholds, first match wins"
    )
    parser.add_argument(
        "--protect",
        metavar="NAME",
        action="append",
        default=[],
        help="tag, device, user or address (repeatable)",
    )
    parser.add_argument("--never-routers", action="store_true", help="leave every router and exit node alone")


def add_tags_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the ``tags`` command with its own commands."""
    inner = group(commands, "tags", "tags: inventory, and rules that give them")
    found = add_command(inner, "list", "list tags with devices and owners", lazy("tags", "list_command"))
    found.add_argument("--pattern", metavar="REGEX", help="what names behind tag: must match")
    add_tailnet(found)
    found = add_command(
        inner, "run", "give devices the tags of a rules file, access shown first", lazy("tags", "run_command")
    )
    found.add_argument("file", metavar="FILE", help="TOML or JSON")
    found.add_argument("--allow-untagged", action="store_true", help="the last tag of a device may go")
    add_plan(found)


def add_keys_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the ``keys`` command with its own commands."""
    inner = group(commands, "keys", "credentials: inventory, forecast, rotation")
    add_tailnet(add_command(inner, "list", "list credentials and their risks", lazy("keys", "list_command")))
    found = add_command(
        inner, "forecast", "show what expires, and what breaks", lazy("keys", "forecast_command")
    )
    found.add_argument("--days", metavar="N", type=int, default=30, help="within (%(default)s)")
    found.add_argument("--markdown", action="store_true", help="print a Markdown table")
    found.add_argument("--calendar", action="store_true", help="print an iCalendar file")
    add_tailnet(found)
    found = add_command(inner, "check", "check credentials against rules", lazy("keys", "check_command"))
    found.add_argument("--max-age", metavar="DAYS", type=float)
    found.add_argument("--max-lifetime", metavar="DAYS", type=float)
    found.add_argument("--require-tag", metavar="TAG", action="append", default=[], help="(repeatable)")
    found.add_argument(
        "--forbid", metavar="RISK", action="append", default=[], help="as list shows them (repeatable)"
    )
    add_tailnet(found)
    found = add_command(inner, "rotate", "give a credential a successor", lazy("keys", "rotate_command"))
    found.add_argument("key", metavar="KEY", help="id or description")
    found.add_argument(
        "--to",
        metavar="SINK",
        required=True,
        help="file:PATH, env:PATH:NAME, command:PROGRAM ARGUMENTS, kubernetes:PATH:NAMESPACE/NAME",
    )
    found.add_argument("--overlap", metavar="DURATION", default="7d", help="both are valid (%(default)s)")
    found.add_argument("--apply", action="store_true", help="carry it out at once")
    add_profile(found)
    add_profile(add_command(inner, "rotations", "list rotations", lazy("keys", "rotations_command")))
    found = add_command(
        inner, "retire", "delete a credential that has a successor", lazy("keys", "retire_command")
    )
    found.add_argument("key", metavar="KEY", help="id of the old one")
    found.add_argument("--early", action="store_true", help="before the overlap is over")
    found.add_argument("--apply", action="store_true", help="carry it out at once")
    add_profile(found)
    found = add_command(
        inner, "resume", "go on with a rotation that broke off", lazy("keys", "resume_command")
    )
    found.add_argument("key", metavar="KEY", help="id of the old one")
    found.add_argument("--to", metavar="SINK", help="where the secret was to go: asked whether it arrived")
    add_profile(found)
    found = add_command(
        inner, "rotate-webhook", "give a webhook another secret", lazy("keys", "rotate_webhook_command")
    )
    found.add_argument("webhook", metavar="ENDPOINT", help="id of the endpoint")
    found.add_argument("--to", metavar="SINK", required=True, help="as of rotate")
    found.add_argument("--apply", action="store_true", help="carry it out at once")
    add_profile(found)


def add_users_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the ``users`` and ``settings`` commands with their own commands."""
    inner = group(commands, "users", "people: idle ones, joining, leaving")
    found = add_command(
        inner, "idle", "list users who were not there for long", lazy("users", "idle_command")
    )
    found.add_argument("--days", metavar="N", type=float, default=90, help="(%(default)s)")
    add_tailnet(found)
    found = add_command(inner, "onboard", "let a person in, as one plan", lazy("users", "onboard_command"))
    found.add_argument("login", metavar="LOGIN")
    found.add_argument("--role", choices=_ROLES, default="member")
    found.add_argument(
        "--group", metavar="GROUP", action="append", default=[], help="of the policy (repeatable)"
    )
    add_plan(found)
    found = add_command(
        inner, "offboard", "take a person out, as one plan", lazy("users", "offboard_command")
    )
    found.add_argument("login", metavar="LOGIN")
    found.add_argument("--delete", action="store_true", help="for good, rather than suspended and logged out")
    add_plan(found)
    inner = group(commands, "settings", "what a file declares a tailnet to be")
    found = add_command(inner, "drift", "compare the tailnet with a file", lazy("users", "drift_command"))
    found.add_argument("file", metavar="FILE")
    add_tailnet(found)
    found = add_command(
        inner, "apply", "set the settings that differ", lazy("users", "apply_settings_command")
    )
    found.add_argument("file", metavar="FILE")
    add_plan(found)
