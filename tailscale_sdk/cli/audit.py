"""``tailscale-sdk audit``: what is wrong with a tailnet, how bad, and the plan that mends it."""

from __future__ import annotations

import argparse
import difflib
import json
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from tailscale_sdk.changes import AsyncChanges, LocalState
from tailscale_sdk.cli.engine import run_with_engine
from tailscale_sdk.cli.files import write_private
from tailscale_sdk.cli.fleet_inputs import now, print_rows, show
from tailscale_sdk.cli.plans import DONE, FAILED, finish, limits_of, print_json
from tailscale_sdk.cli.progress import Bar
from tailscale_sdk.client import AsyncTailscale
from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations import audit
from tailscale_sdk.operations.audit.fixing import plan_fix, propose_fix
from tailscale_sdk.operations.audit.history import AuditHistory, alone, noted
from tailscale_sdk.operations.audit.outputs import OutputOptions, write_report
from tailscale_sdk.operations.audit.reading import read_audited
from tailscale_sdk.operations.audit.report import AuditReport, past_run
from tailscale_sdk.operations.fleet import Fleet, read_fleet
from tailscale_sdk.policy.access.presence import read_moment
from tailscale_sdk.policy.findings import SEVERITIES
from tailscale_sdk.snapshot import TailnetSnapshot
from tailscale_sdk.visible import visible

Work = Callable[[audit.AuditRun, datetime, AuditHistory], int]


def audit_command(options: argparse.Namespace) -> int:
    """Audit a tailnet; exit 1 where something is as bad as ``--fail-on`` says."""
    baseline = None if options.baseline is None else _baseline(options.baseline)

    def work(run: audit.AuditRun, moment: datetime, history: AuditHistory) -> int:
        if baseline is not None or options.no_history:
            report = alone(run, now=moment, past=baseline)
        else:
            report, problem = noted(history, run, now=moment)
            if problem is not None:
                print(f"tailscale-sdk: the run is not kept: {problem}", file=sys.stderr)
        _print(report, options)
        return FAILED if _fails(report, options) else DONE

    return _audited(options, work)


def _print(report: AuditReport, options: argparse.Namespace) -> None:
    form = "json" if options.json else options.format
    written = write_report(report, form, OutputOptions(options.policy_path, options.all))
    if options.out is None:
        sys.stdout.write(written)
        sys.stdout.flush()
    else:
        write_private(options.out, written)
        print(f"{len(report.run.failed)} findings written to {options.out}", file=sys.stderr)


def _fails(report: AuditReport, options: argparse.Namespace) -> bool:
    if options.fail_on != "none" and report.counted(options.fail_on, only_new=options.only_new):
        return True
    return options.fail_on_unknown and any(
        ran.missing or ran.counts.get("error") for ran in report.run.checks
    )


def _baseline(path: str) -> Any:
    try:
        return past_run(json.loads(Path(path).read_bytes()))
    except OSError as problem:
        raise ConfigurationError(f"{path}: cannot be read ({problem.strerror})") from None
    except (ValueError, RecursionError):
        raise ConfigurationError(f"{path}: is not JSON") from None
    except ConfigurationError as problem:
        raise ConfigurationError(f"{path}: {problem}") from None


def _audited(options: argparse.Namespace, work: Work) -> int:
    """Audit a snapshot file, or the tailnet itself, and go on with what was found."""
    rules, checks = _rules(options), _checks(getattr(options, "check", []))

    def run_on(fleet: Fleet, moment: datetime) -> audit.AuditRun:
        return audit.run_checks(
            fleet, checks, now=moment, rules=rules, today=now().date(), allow_broad=options.allow_broad
        )

    if options.tailnet is not None:
        fleet = read_fleet(TailnetSnapshot.load(options.tailnet))
        # Ages count up to the moment the file was written: a month later nothing in it is a month older.
        moment = read_moment(fleet.snapshot.content.get("taken")) or now()
        state = LocalState()
        try:
            shelf = f"file:{fleet.snapshot.content.get('tailnet') or '-'}"
            return work(run_on(fleet, moment), moment, AuditHistory(state, shelf))
        finally:
            state.close()

    async def online(client: AsyncTailscale, engine: AsyncChanges) -> int:
        fleet, moment = await _read(client, options.deep), now()
        return work(run_on(fleet, moment), moment, AuditHistory(engine.state, engine.policy_shelf))

    return run_with_engine(options, online)


async def _read(client: AsyncTailscale, deep: bool) -> Fleet:
    bar = Bar("devices asked one by one")
    try:
        fleet = await read_audited(client, deep=deep, progress=bar)
    finally:
        bar.end()
    return fleet


def _rules(options: argparse.Namespace) -> audit.AuditRules:
    found = audit.AuditRules()
    for path in (options.rules, options.waivers):
        if path is not None:
            found = found.joined(audit.read_audit_rules(path))
    return found


def _checks(wanted: Sequence[str]) -> list[audit.Check]:
    for name in wanted:
        if name.upper() not in audit.CHECKS:
            near = difflib.get_close_matches(name.upper(), audit.CHECKS, n=1, cutoff=0.0)
            raise ConfigurationError(f"there is no check {name!r}; did you mean {near[0]}?")
    chosen = {name.upper() for name in wanted} or set(audit.CHECKS)
    return [check for check in audit.CHECKS.values() if check.id in chosen]


def fix_command(options: argparse.Namespace) -> int:
    """Plan what removes findings of the tailnet as it is now, and with ``--apply`` carry it out."""
    rules = _rules(options)

    async def work(client: AsyncTailscale, engine: AsyncChanges) -> int:
        fleet, moment = await _read(client, options.deep), now()
        run = audit.run_checks(
            fleet, audit.CHECKS.values(), now=moment, rules=rules, allow_broad=options.allow_broad
        )
        remedy = propose_fix(run, options.findings, risky=options.risky)
        plan = await plan_fix(client, run, remedy, changes=engine, limits=limits_of(options))
        return await finish(client, engine, plan, options)

    return run_with_engine(options, work)


def explain_command(options: argparse.Namespace) -> int:
    """Print everything that is known of one finding."""

    def work(run: audit.AuditRun, moment: datetime, history: AuditHistory) -> int:
        report = alone(run, now=moment)
        found = audit.one_finding(report.to_dict()["findings"], options.finding)
        return show(options, found, lambda: _print_finding(found))

    return _audited(options, work)


def _print_finding(found: dict[str, Any]) -> None:
    resource, place = found["resource"] or {}, found["location"]
    print(f"{found['severity']} {found['check']}: {found['title']} ({found['status']})")
    print(f"{resource.get('kind')} {visible(str(resource.get('name')))} ({visible(str(resource.get('id')))})")
    print(visible(found["message"], limit=None))
    if place is not None:
        print(f"policy line {place['line']}, column {place['column']}: {place['pointer']}")
    for each in found["evidence"]:
        told = {name: value for name, value in each.items() if name != "source"}
        print(f"  {each['source']}: {visible(json.dumps(told, ensure_ascii=False), limit=None)}")
    print(f"do: {found['remediation']}")
    if found["fix"]:
        print(f"plan it: tailscale-sdk audit fix {found['fingerprint'][:12]}")
    if found["controls"]:
        print(f"SOC 2: {', '.join(found['controls'])}")


def checks_command(options: argparse.Namespace) -> int:
    """List every check with what it reads."""
    rows = [
        {
            "check": check.id,
            "severity": check.severity,
            "title": check.title,
            "reads": ["devices", *check.inputs],
            "controls": list(check.controls),
            "remediation": check.remediation,
        }
        for check in audit.CHECKS.values()
    ]
    return show(options, rows, lambda: print_rows(rows, ("check", "severity", "title", "reads"), "no checks"))


def history_command(options: argparse.Namespace) -> int:
    """List earlier runs of this tailnet with their counts, the newest last."""

    async def work(client: AsyncTailscale, engine: AsyncChanges) -> int:
        rows = AuditHistory(engine.state, engine.policy_shelf).trend()
        if options.json:
            print_json(list(rows))
            return DONE
        flat = [{"at": row["at"], **row["by_severity"]} for row in rows]
        print_rows(flat, ("at", *reversed(SEVERITIES)), "nothing was audited from here yet")
        return DONE

    return run_with_engine(options, work)
