"""``tailscale-sdk policy reach|ssh|test|explain|diff``: answers from a policy and a tailnet."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from tailscale_sdk.cli.policy_inputs import read_both, read_compiled, read_snapshot, read_text
from tailscale_sdk.cli.tables import table
from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.policy.access import explain, merge_families, part_destination, reach, read_question
from tailscale_sdk.policy.access.ends import find_ends
from tailscale_sdk.policy.access.presence import read_moment
from tailscale_sdk.policy.compile import CompiledPolicy, reach_rows
from tailscale_sdk.policy.compile.ssh import ssh_rows
from tailscale_sdk.policy.diff import AccessDiff, diff_policies, risks_of
from tailscale_sdk.policy.language import read_policy
from tailscale_sdk.policy.tailnet import Device, read_tailnet
from tailscale_sdk.policy.verdicts import run_tests
from tailscale_sdk.policy.what_if import with_approved, with_tags, without_device, without_rule
from tailscale_sdk.visible import visible

DONE, FAILED = 0, 1


def reach_command(options: argparse.Namespace) -> int:
    """Print who reaches what: pairs as JSON, or rows by rule."""
    compiled = read_compiled(options)
    if options.json:
        sources, wanted = _asked(compiled, options)
        _stream(reach_rows(compiled, sources=sources, destinations=wanted))
        return DONE
    rows = merge_families(
        reach(compiled, source=options.src, destination=options.dst, question=read_question(None))
    )
    cells = [(row.sources.text, row.destinations.text, _what(row), row.rule) for row in rows]
    print(table(("sources", "destinations", "allowed", "rule"), cells) if cells else "nothing is allowed")
    return DONE


def _what(row: Any) -> str:
    words = [row.ports] if row.ports else []
    words += [f"app {', '.join(row.caps)}"] if row.caps else []
    words += [f"under {' or '.join(row.conditions)}"] if row.conditions else []
    words += [] if row.certain else ["uncertain"]
    return ", ".join(words)


def ssh_command(options: argparse.Namespace) -> int:
    """Print the SSH rules of every pair, or of those asked for."""
    compiled = read_compiled(options)
    sources, wanted = _asked(compiled, options)
    rows = ssh_rows(compiled, sources=sources, destinations=wanted)
    if options.json:
        _stream(rows)
        return DONE
    names = {device.id: device.label for device in compiled.tailnet.devices}
    cells = [
        (names[source], names[destination], rule["action"], _logins(rule["users"]))
        for destination, text in rows
        for source, rules in json.loads(text).items()
        for rule in rules
    ]
    print(
        table(("source", "destination", "action", "logins"), cells)
        if cells
        else "no SSH rule lets anybody in"
    )
    return DONE


def _logins(users: dict[str, str]) -> str:
    words = ["any but root" if login == "*" else login for login, mapped in users.items() if mapped]
    return ", ".join(words) or "none"


def _asked(compiled: CompiledPolicy, options: argparse.Namespace) -> tuple[int | None, Any]:
    """Return the devices that ``--src`` and ``--dst`` mean."""
    sources = None if options.src is None else _bits(compiled, options.src, "source")
    if options.dst is None:
        return sources, None
    bits = _bits(compiled, options.dst, "destination")

    def wanted(device: Device) -> bool:
        return bool(bits >> compiled.number(device) & 1)

    return sources, wanted


def _bits(compiled: CompiledPolicy, text: str, role: str) -> int:
    ends = find_ends(compiled, text, role=role)
    return sum({1 << compiled.number(end.device) for end in ends if end.device is not None})


def _stream(rows: Iterable[tuple[str, str]]) -> None:
    """Write rows as one JSON object, each as soon as it is known."""
    write = sys.stdout.write
    write("{")
    for number, (name, text) in enumerate(rows):
        write(f"{',' if number else ''}\n {json.dumps(name)}: {text}")
    write("\n}\n")


def test_command(options: argparse.Namespace) -> int:
    """Run the tests of a policy as the control plane does when it is saved."""
    policy, tailnet = read_both(options)
    report = run_tests(policy, tailnet)
    if options.json:
        print(json.dumps(report.to_dict(), indent=1, ensure_ascii=False))
    elif report.ok:
        print(f"{len(policy.tests)} tests and {len(policy.ssh_tests)} sshTests pass")
    else:
        print(f"tailscale-sdk: {report.to_dict()['message']}", file=sys.stderr)
        cells = [(source, error) for source, errors in report.failures for error in errors]
        print(table(("source", "error"), cells))
    return DONE if report.ok else FAILED


def explain_command(options: argparse.Namespace) -> int:
    """Print why a source can or cannot reach a destination."""
    compiled = read_compiled(options)
    destination, port = part_destination(options.destination)
    # A snapshot tells of its own moment: who was connected then, whose key was valid then.
    moment = read_moment(compiled.tailnet.taken) if options.tailnet else None
    question = read_question(port, options.proto)
    answer = explain(compiled, options.source, destination, question, now=moment or datetime.now(UTC))
    if options.json:
        print(json.dumps(answer, indent=1, ensure_ascii=False))
    else:
        _print_answer(answer)
    return DONE


def _print_answer(answer: dict[str, Any]) -> None:
    print(f"{answer['answer'].upper()}: {visible(answer['because'], limit=None)}")
    for each in answer.get("explanations", [answer]):
        if "explanations" in answer:
            print(f"\n{visible(each['question'])}: {each['answer']}")
        print(f"  policy {each['policy']}, present state {each['state']}")
        for fact in each["facts"]:
            line = f" (line {fact['line']})" if "line" in fact and "line" not in fact["text"] else ""
            print(f"  {_MARKS[fact['effect']]} {visible(fact['text'], limit=None)}{line}")
        for step in each["next"]:
            print(f"  > {visible(step, limit=None)}")


_MARKS = {"allows": "+", "blocks": "-", "unknown": "?", "context": "."}


def diff_command(options: argparse.Namespace) -> int:
    """Print the access that a new policy gives and takes."""
    old, new = (read_policy(read_text(path)) for path in (options.old, options.new))
    tailnet = read_tailnet(read_snapshot(options))
    return _print_diff(diff_policies(old, new, tailnet), options)


def what_if_command(options: argparse.Namespace) -> int:
    """Print the access that a change of devices would give and take, the policy staying as it is."""
    policy, tailnet = read_both(options)
    after = tailnet
    for text in options.tag:
        name, tags = _assigned(text, "--tag")
        after = with_tags(after, name, [tag for tag in tags.split(",") if tag])
    for text in options.approve:
        name, routes = _assigned(text, "--approve")
        after = with_approved(after, name, routes.split(","))
    for name in options.remove:
        after = without_device(after, name)
    return _print_diff(diff_policies(policy, policy, tailnet, after), options)


def rule_command(options: argparse.Namespace) -> int:
    """Print what a rule gives that no other one gives."""
    policy, tailnet = read_both(options)
    return _print_diff(without_rule(policy, _pointer(options.rule), tailnet), options)


def _pointer(text: str) -> str:
    """Return the pointer of a rule named as ``acls[3]`` or ``/acls/3``."""
    return "/" + text.strip("/").replace("[", "/").replace("]", "")


def _assigned(text: str, option: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigurationError(f"{option} {text!r}: write DEVICE=VALUE")
    return name, value


def _print_diff(diff: AccessDiff, options: argparse.Namespace) -> int:
    risks = risks_of(diff, protected=options.protect)
    if options.json:
        content = {**diff.to_dict(), "risks": [risk.to_dict() for risk in risks]}
        print(json.dumps(content, indent=1, ensure_ascii=False))
        return DONE
    for risk in risks:
        print(f"! {risk.level}: {visible(risk.text, limit=None)}")
    for line in diff.lines():
        print(visible(line, limit=None))
    return DONE
