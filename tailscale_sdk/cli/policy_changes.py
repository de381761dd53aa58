"""``tailscale-sdk policy plan|apply|rollback|history|drift``: the one safe way to change a policy."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tailscale_sdk.changes import AsyncChanges
from tailscale_sdk.cli.engine import run_with_engine
from tailscale_sdk.cli.policy_inputs import read_policy_text
from tailscale_sdk.cli.tables import table
from tailscale_sdk.client import AsyncTailscale
from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations import policies
from tailscale_sdk.operations.access import cross_check
from tailscale_sdk.operations.policies import PolicyPlan, PolicyReport, Safeguards
from tailscale_sdk.operations.policy_workflows import edit_of
from tailscale_sdk.policy.edits import Edit, PatchText
from tailscale_sdk.visible import visible

DONE, FAILED = 0, 1
_TAB = 4
_PLAN_ID = re.compile(r"[A-Za-z0-9_-]{43}")


def plan_command(options: argparse.Namespace) -> int:
    """Show what a change would do, and keep a plan for 15 minutes; with ``--apply`` do it at once."""
    _check_watch(options)
    edits, text = _change(options)

    async def work(client: AsyncTailscale, engine: AsyncChanges) -> int:
        plan = await _plan(client, engine, edits, text, options)
        return await _planned(client, engine, plan, options)

    return run_with_engine(options, work)


async def _plan(
    client: AsyncTailscale,
    engine: AsyncChanges,
    edits: list[Edit],
    text: str | None,
    options: argparse.Namespace,
) -> PolicyPlan:
    return await policies.plan_change(
        client,
        now=datetime.now(UTC),
        progress=_silent,
        edits=edits,
        text=text,
        reason=options.reason,
        safeguards=_safeguards(options),
        changes=engine,
    )


def rollback_command(options: argparse.Namespace) -> int:
    """Show what going back to a kept version would do; with ``--apply`` do it at once."""
    _check_watch(options)

    async def work(client: AsyncTailscale, engine: AsyncChanges) -> int:
        plan = await policies.plan_rollback(
            client,
            now=datetime.now(UTC),
            progress=_silent,
            version=options.version,
            reason=options.reason,
            safeguards=_safeguards(options),
            changes=engine,
        )
        return await _planned(client, engine, plan, options)

    return run_with_engine(options, work)


def apply_command(options: argparse.Namespace) -> int:
    """Apply a plan, once; or a whole file, which is planned first and left alone where it is in force already."""
    _check_watch(options)
    is_plan = _PLAN_ID.fullmatch(options.plan) and not Path(options.plan).exists()
    if is_plan and (options.reason or options.override or options.accept_warnings or options.protect):
        raise ConfigurationError("a plan has its reason and safeguards already: plan again with others")
    text = None if is_plan else read_policy_text(options.plan)

    async def work(client: AsyncTailscale, engine: AsyncChanges) -> int:
        if text is None:
            return await _apply(client, engine, options.plan, options)
        return await _apply_file(client, engine, text, options)

    return run_with_engine(options, work)


async def _apply_file(
    client: AsyncTailscale, engine: AsyncChanges, text: str, options: argparse.Namespace
) -> int:
    found = await policies.drift(client, text, changes=engine)
    if found.status == "in_sync":
        if options.json:
            _print_json({"ok": True, "change": None, "rollback": "not_needed"})
        else:
            print(_STATUSES[found.status])
        return DONE
    plan = await _plan(client, engine, [], text, options)
    if not options.json:
        _print_plan(plan)
    return await _apply(client, engine, plan.plan.id, options)


def history_command(options: argparse.Namespace) -> int:
    """List the kept versions of the policy."""

    async def work(client: AsyncTailscale, engine: AsyncChanges) -> int:
        rows = [entry.to_dict() for entry in policies.history(engine)]
        if options.json:
            _print_json(rows)
        elif rows:
            names = ("version", "kept", "actor", "outcome", "reason")
            print(table(names, [[str(row[name] or "-") for name in names] for row in rows]))
        else:
            print("no version is kept: nothing was changed from here yet")
        return DONE

    return run_with_engine(options, work)


def drift_command(options: argparse.Namespace) -> int:
    """Compare a policy file with the stored policy and with what was applied last; exit 1 when they differ."""

    async def work(client: AsyncTailscale, engine: AsyncChanges) -> int:
        found = await policies.drift(client, text, changes=engine)
        if options.json:
            _print_json(found.to_dict())
        else:
            print(_STATUSES[found.status])
            _print_lines(found.text)
        return DONE if found.status == "in_sync" else FAILED

    text = read_policy_text(options.file)
    return run_with_engine(options, work)


def cross_check_command(options: argparse.Namespace) -> int:
    """Compare our answer with the preview of the API; exit 1 when they differ."""

    async def work(client: AsyncTailscale, engine: AsyncChanges) -> int:
        found = await cross_check(client, now=datetime.now(UTC), progress=_silent, about=options.about)
        if options.json:
            _print_json(found)
        elif found["agrees"]:
            print("the API's preview names the same rules")
        else:
            for side, words in (("only_ours", "only this compiler"), ("only_theirs", "only the API")):
                print(f"{words} names the rules in lines {found[side]}")
        return DONE if found["agrees"] else FAILED

    return run_with_engine(options, work)


_STATUSES = {
    "in_sync": "in sync: the file and the stored policy say the same",
    "pending": "pending: the file is newer than the stored policy",
    "outside_edit": "edited elsewhere: the stored policy is not the one that was applied from here last",
    "conflict": "conflict: the file and the stored policy were both changed",
    "unknown": "they differ, and nothing was applied from here yet that would tell which one is newer",
}


def _change(options: argparse.Namespace) -> tuple[list[Edit], str | None]:
    """Return the edits that the options mean, or a whole text."""
    if options.file is not None:
        if options.intent or options.patch:
            raise ConfigurationError("give one of FILE, --intent and --patch")
        return [], read_policy_text(options.file)
    if options.patch is not None:
        return [PatchText(_json(options.patch, "--patch"))], None
    if options.intent is None:
        raise ConfigurationError("say what to change: FILE, --intent or --patch")
    rule = None if options.rule is None else _json(options.rule, "--rule")
    return [edit_of(options.intent, options.name, options.value, rule)], None


def _json(text: str, option: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as problem:
        raise ConfigurationError(f"{option}: is not JSON: {problem}") from None


def _check_watch(options: argparse.Namespace) -> None:
    if options.watch and options.probe is None:
        raise ConfigurationError("--watch needs --probe: nothing else tells whether the policy works")


def _safeguards(options: argparse.Namespace) -> Safeguards:
    return Safeguards(
        override=options.override, accept_warnings=options.accept_warnings, protect=options.protect
    )


async def _planned(
    client: AsyncTailscale, engine: AsyncChanges, plan: PolicyPlan, options: argparse.Namespace
) -> int:
    if not options.apply:
        if options.json:
            _print_json({"plan": plan.plan.id, "expires": plan.plan.expires.isoformat(), **plan.to_dict()})
        else:
            _print_plan(plan)
            print(f"\napply it within 15 minutes: tailscale-sdk policy apply {plan.plan.id}")
        return DONE
    if not options.json:
        _print_plan(plan)
    return await _apply(client, engine, plan.plan.id, options)


def _print_plan(plan: PolicyPlan) -> None:
    _print_lines(plan.judgement.text)
    for sentence in plan.judgement.sentences:
        print(f"! {visible(sentence, limit=None)}")
    if plan.judgement.access is not None:
        _print_lines(tuple(plan.judgement.access.lines())[1:])


def _print_lines(lines: tuple[str, ...]) -> None:
    for line in lines:
        print(visible(line.expandtabs(_TAB), limit=None))


async def _apply(
    client: AsyncTailscale, engine: AsyncChanges, plan_id: str, options: argparse.Namespace
) -> int:
    report = await policies.apply_change(
        client,
        now=datetime.now(UTC),
        progress=_silent,
        plan_id=plan_id,
        changes=engine,
        probe=None if options.probe is None else _probe(options.probe),
        watch_seconds=options.watch,
    )
    if options.json:
        _print_json({"ok": report.ok, **report.to_dict()})
    else:
        _print_report(report)
    return DONE if report.ok else FAILED


def _print_report(report: PolicyReport) -> None:
    if report.ok:
        print(f"applied and verified: change {report.report.change_id}")
        return
    words = {
        "done": "rolled back",
        "failed": "NOT rolled back",
        "offered": "not verified: look at the stored policy, and go back with tailscale-sdk policy rollback",
        "not_needed": "not applied",
    }
    print(
        f"tailscale-sdk: {words[report.rollback]}: {visible(report.reason or '', limit=None)}",
        file=sys.stderr,
    )
    if report.conflict is not None:
        _print_lines(report.conflict.text)


def _probe(command: str) -> policies.Probe:
    """Return a probe that runs a command of the shell and wants 0 from it."""

    async def run() -> str | None:
        process = await asyncio.create_subprocess_shell(command)
        code = await process.wait()
        return None if code == 0 else f"the probe {command!r} ended with {code}"

    return run


def _silent(done: int, total: int) -> None:
    """Tell nobody: one policy is written in a moment."""


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=1, ensure_ascii=False))
