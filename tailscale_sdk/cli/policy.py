"""The parser of ``tailscale-sdk policy …``; what a command does is imported when it runs."""

from __future__ import annotations

import argparse

from tailscale_sdk.cli.parsing import add_command, add_tailnet, lazy

FORMATS = ("text", "json", "sarif", "junit", "github", "markdown")
_LONGEST_WATCH = 3600


def add_policy_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the ``policy`` command with its own commands."""
    group = commands.add_parser("policy", help="who can reach what, why, and what a change would do")
    inner = group.add_subparsers(required=True, metavar="command", dest="policy_command")
    _add_questions(inner)
    _add_judgements(inner)
    _add_changes(inner)


def _with_tailnet(parser: argparse.ArgumentParser, *, policy: bool = True) -> argparse.ArgumentParser:
    if policy:
        parser.add_argument(
            "--policy",
            metavar="FILE",
            help="policy to ask; the tailnet's own when left out, - is standard input",
        )
    return add_tailnet(parser)


def _add_questions(inner: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    for name, help_, run in (
        ("reach", "list who reaches what", "reach_command"),
        ("ssh", "list the SSH rules of every pair", "ssh_command"),
    ):
        found = _with_tailnet(add_command(inner, name, help_, lazy("policy_questions", run)))
        found.add_argument("--src", metavar="NAME", help="only from this device, user, group or tag")
        found.add_argument("--dst", metavar="NAME", help="only to this device, user, group or tag")
    _with_tailnet(
        add_command(inner, "test", "run the tests of a policy", lazy("policy_questions", "test_command"))
    )
    found = _with_tailnet(
        add_command(
            inner,
            "explain",
            "say why SRC can or cannot reach DST:PORT",
            lazy("policy_questions", "explain_command"),
        )
    )
    found.add_argument("source", metavar="SRC", help="device, user, group, tag or address")
    found.add_argument("destination", metavar="DST:PORT", help="such as web:443, tag:db:5432 or [fd7a::1]:22")
    found.add_argument("--proto", metavar="NAME", help="tcp, udp, icmp or a number; TCP when left out")
    found = _with_tailnet(
        add_command(
            inner,
            "diff",
            "list the access that NEW gives and takes",
            lazy("policy_questions", "diff_command"),
        ),
        policy=False,
    )
    found.add_argument("old", metavar="OLD", help="policy file")
    found.add_argument("new", metavar="NEW", help="policy file")
    _add_protect(found)
    _add_what_ifs(inner)
    found = _with_tailnet(
        add_command(
            inner,
            "rights",
            "list who may hand out tags, approve routes and turn on funnel",
            lazy("policy_rights", "rights_command"),
        )
    )
    found.add_argument("--tag", metavar="TAG", help="only the owners of this tag")
    found.add_argument("--route", metavar="CIDR", help="only the approvers of this route")
    found = _with_tailnet(
        add_command(
            inner, "graph", "draw the rules, or who reaches whom", lazy("policy_pictures", "graph_command")
        )
    )
    found.add_argument("--effective", action="store_true", help="draw effective access instead of the rules")
    found.add_argument(
        "--format", choices=("mermaid", "dot", "json", "html"), default="mermaid", help="output format"
    )
    found.add_argument("--against", metavar="FILE", help="older policy: draw what is gained and lost")
    found.add_argument("--out", metavar="FILE", help="write here instead of standard output")


def _add_what_ifs(inner: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    help_ = "list the access that other tags or routes of devices would give and take"
    found = _with_tailnet(add_command(inner, "what-if", help_, lazy("policy_questions", "what_if_command")))
    for option, metavar, told in (
        (
            "--tag",
            "DEVICE=TAGS",
            "tags it would have, separated by commas; none for its owner's (repeatable)",
        ),
        ("--approve", "DEVICE=ROUTES", "routes that would be approved on it (repeatable)"),
        ("--remove", "DEVICE", "device that would be gone (repeatable)"),
    ):
        found.add_argument(option, metavar=metavar, action="append", default=[], help=told)
    _add_protect(found)
    help_ = "list what a rule gives that no other one gives"
    found = _with_tailnet(add_command(inner, "rule", help_, lazy("policy_questions", "rule_command")))
    found.add_argument("rule", metavar="RULE", help="such as acls[3] or /grants/0")
    _add_protect(found)
    help_ = "compare our answer with the preview of the API"
    found = add_command(inner, "cross-check", help_, lazy("policy_changes", "cross_check_command"))
    found.add_argument("about", metavar="USER|ADDRESS:PORT", help="login name, or an address with a port")
    found.add_argument("--profile", metavar="NAME", help="named profile of tailscale-sdk/config.toml")


def _add_protect(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--protect",
        metavar="TAG",
        action="append",
        default=[],
        help="tag whose devices count as critical (repeatable)",
    )


def _add_judgements(inner: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    found = _with_tailnet(_judgement(inner, "lint", "list what is wrong with a policy", "lint_command"))
    found.add_argument(
        "--severity", choices=("info", "low", "medium", "high", "critical"), help="least to list"
    )
    found = _with_tailnet(
        _judgement(
            inner,
            "check-no-new-access",
            "fail when NEW gives access that OLD does not",
            "no_new_access_command",
        ),
        policy=False,
    )
    found.add_argument("old", metavar="OLD", help="policy file")
    found.add_argument("new", metavar="NEW", help="policy file")
    found.add_argument(
        "--allow",
        metavar="SRC->DST",
        action="append",
        default=[],
        help="access that may be gained (repeatable)",
    )
    found = _with_tailnet(
        _judgement(
            inner, "check-access-not-granted", "fail when SRC can reach DST:PORT", "not_granted_command"
        )
    )
    found.add_argument("source", metavar="SRC", help="device, user, group, tag or address")
    found.add_argument("destination", metavar="DST:PORT", help="such as tag:db:5432")
    found.add_argument("--proto", metavar="NAME", help="tcp, udp, icmp or a number; TCP when left out")
    found = _with_tailnet(
        _judgement(
            inner,
            "check-no-public-access",
            "fail when the outside can reach TARGET",
            "no_public_access_command",
        )
    )
    found.add_argument("target", metavar="TARGET", help="device, tag, user or group")
    found = _with_tailnet(
        add_command(
            inner,
            "generate-tests",
            "write tests that hold today",
            lazy("policy_judgements", "generate_command"),
        )
    )
    found.add_argument(
        "--protect", metavar="TAG", action="append", default=[], help="tag to write tests for (repeatable)"
    )


def _judgement(
    inner: argparse._SubParsersAction[argparse.ArgumentParser], name: str, help_: str, run: str
) -> argparse.ArgumentParser:
    found = add_command(inner, name, help_, lazy("policy_judgements", run))
    found.add_argument(
        "--format", choices=FORMATS, default="text", help="output format; --json is --format json"
    )
    found.add_argument("--allow-unknown", action="store_true", help="what is not known is no failure")
    return found


def _add_changes(inner: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    found = _change(
        inner, "plan", "show what a change of the tailnet's policy would do, and keep a plan", "plan_command"
    )
    found.add_argument("file", metavar="FILE", nargs="?", help="a whole new policy; - is standard input")
    found.add_argument(
        "--intent", metavar="NAME", help="such as add_member, add_grant, set_host, add_tag_owner"
    )
    found.add_argument("--name", metavar="NAME", help="group, host, tag or route of the intent")
    found.add_argument("--value", metavar="VALUE", help="member, address, owner or approver of the intent")
    found.add_argument("--rule", metavar="JSON", help="grant, acl or test of the intent")
    found.add_argument("--patch", metavar="JSON", help="RFC 6902 operations")
    _add_safeguards(found)
    _add_apply(found)
    found = _change(inner, "apply", "apply a plan, once; or plan and apply a file", "apply_command")
    found.add_argument(
        "plan",
        metavar="PLAN|FILE",
        help="id that plan or rollback printed, or a whole new policy; - is standard input",
    )
    _add_safeguards(found)
    found = _change(inner, "rollback", "go back to a kept version of the policy", "rollback_command")
    found.add_argument(
        "version",
        metavar="VERSION",
        nargs="?",
        default="previous",
        help="start of its name, hash or ETag, or a moment",
    )
    _add_safeguards(found)
    _add_apply(found)
    _change(inner, "history", "list the kept versions of the policy", "history_command")
    found = _change(
        inner, "drift", "compare FILE, the stored policy and what was applied last", "drift_command"
    )
    found.add_argument("file", metavar="FILE", help="policy file; - is standard input")


def _change(
    inner: argparse._SubParsersAction[argparse.ArgumentParser], name: str, help_: str, run: str
) -> argparse.ArgumentParser:
    found = add_command(inner, name, help_, lazy("policy_changes", run))
    found.add_argument("--profile", metavar="NAME", help="named profile of tailscale-sdk/config.toml")
    return found


def _add_safeguards(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reason", metavar="TEXT", help="why, kept with the version that is replaced")
    parser.add_argument(
        "--override",
        metavar="NAME",
        action="append",
        default=[],
        help="lock-out that is accepted (repeatable)",
    )
    parser.add_argument("--accept-warnings", action="store_true", help="take a policy the service warns of")
    _add_protect(parser)
    _add_probe(parser)


def _add_apply(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--apply", action="store_true", help="apply the plan at once")


def _add_probe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--probe",
        metavar="COMMAND",
        help="run after the change is verified; it is rolled back unless this ends with 0",
    )
    parser.add_argument(
        "--watch",
        metavar="SECONDS",
        type=_seconds,
        default=0.0,
        help="for how long the probe is asked again and again",
    )


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= _LONGEST_WATCH:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds up to {_LONGEST_WATCH}")
    return value
