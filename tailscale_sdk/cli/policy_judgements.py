"""``tailscale-sdk policy lint|check-…|generate-tests``: findings for people, pull requests and build servers."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence

from tailscale_sdk._version import __version__
from tailscale_sdk.cli.policy_inputs import read_compiled, read_snapshot, read_text
from tailscale_sdk.policy.access import part_destination, read_question
from tailscale_sdk.policy.assertions import (
    NO_NEW_ACCESS,
    NO_PUBLIC_ACCESS,
    NOT_GRANTED,
    check_access_not_granted,
    check_no_new_access,
    check_no_public_access,
)
from tailscale_sdk.policy.diff import diff_policies
from tailscale_sdk.policy.findings import (
    SEVERITIES,
    Finding,
    sort_findings,
    to_annotations,
    to_json,
    to_junit,
    to_markdown,
    to_sarif,
)
from tailscale_sdk.policy.language import read_policy
from tailscale_sdk.policy.lint import CHECKS, generate_tests, lint
from tailscale_sdk.policy.tailnet import read_tailnet
from tailscale_sdk.visible import visible

DONE, FOUND = 0, 1
_STORED = "policy.hujson"


def lint_command(options: argparse.Namespace) -> int:
    """Print what is wrong with a policy; exit 1 where anything is."""
    compiled = read_compiled(options)
    least = SEVERITIES.index(options.severity) if options.severity else 0
    found = [each for each in lint(compiled.policy, compiled) if SEVERITIES.index(each.severity) >= least]
    return _print(found, options, options.policy, compiled.policy.text, CHECKS)


def no_new_access_command(options: argparse.Namespace) -> int:
    """Print what a new policy gives beyond the old one; exit 1 where it does."""
    old, new = (read_policy(read_text(path)) for path in (options.old, options.new))
    diff = diff_policies(old, new, read_tailnet(read_snapshot(options)))
    found = check_no_new_access(diff, allowed=options.allow, unknown_fails=not options.allow_unknown)
    return _print(found, options, options.new, new.text, [NO_NEW_ACCESS])


def not_granted_command(options: argparse.Namespace) -> int:
    """Print by which rules a source can reach what it must not; exit 1 where it can."""
    compiled = read_compiled(options)
    destination, port = part_destination(options.destination)
    found = check_access_not_granted(
        compiled,
        options.source,
        destination,
        read_question(port, options.proto),
        unknown_fails=not options.allow_unknown,
    )
    return _print(found, options, options.policy, compiled.policy.text, [NOT_GRANTED])


def no_public_access_command(options: argparse.Namespace) -> int:
    """Print how the outside can reach a target; exit 1 where it can."""
    compiled = read_compiled(options)
    found = check_no_public_access(compiled, options.target, unknown_fails=not options.allow_unknown)
    return _print(found, options, options.policy, compiled.policy.text, [NO_PUBLIC_ACCESS])


def generate_command(options: argparse.Namespace) -> int:
    """Print tests that hold today, ready to be put into the policy."""
    found = generate_tests(read_compiled(options), tags=options.protect)
    print(json.dumps(found, indent=2, ensure_ascii=False))
    return DONE


def _print(
    findings: Sequence[Finding],
    options: argparse.Namespace,
    path: str | None,
    text: str,
    checks: Iterable[str],
) -> int:
    name = path if path not in {None, "-"} else _STORED
    form = "json" if options.json else options.format
    ordered = sort_findings(findings)
    if form == "text":
        _print_text(ordered)
    else:
        written = _written(ordered, form, str(name), text, checks)
        print(written, end="" if written.endswith("\n") else "\n")
    return FOUND if any(each.status in {"fail", "unknown"} for each in ordered) else DONE


def _written(findings: Sequence[Finding], form: str, path: str, text: str, checks: Iterable[str]) -> str:
    if form == "sarif":
        run = to_sarif(findings, tool_version=__version__, policy_path=path, policy_text=text)
        return json.dumps(run, indent=1, ensure_ascii=False)
    if form == "junit":
        return to_junit(findings, suite=path, checks=checks)
    if form == "github":
        return to_annotations(findings, policy_path=path, policy_text=text)
    if form == "markdown":
        return to_markdown(findings, policy_path=path, policy_text=text)
    return to_json(findings)


def _print_text(findings: Sequence[Finding]) -> None:
    for finding in findings:
        line = f":{finding.place.line}" if finding.place is not None else ""
        doubt = " (unknown)" if finding.status == "unknown" else ""
        print(f"{finding.severity}{line} {finding.check}: {visible(finding.message, limit=None)}{doubt}")
        if finding.help:
            print(f"    {visible(finding.help, limit=None)}")
    if not findings:
        print("nothing found")
