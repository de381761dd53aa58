"""``tailscale-sdk lifecycle`` and ``connectivity``: who is silent for how long, and what is due of it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from tailscale_sdk.changes import AsyncChanges
from tailscale_sdk.cli.engine import run_with_engine
from tailscale_sdk.cli.fleet_inputs import load, look, now, print_rows, show
from tailscale_sdk.cli.plans import DONE, FAILED, finish, limits_of
from tailscale_sdk.client import AsyncTailscale
from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations import lifecycle as cycle
from tailscale_sdk.operations import network
from tailscale_sdk.operations.connectivity import connectivity
from tailscale_sdk.operations.devices import Surroundings, compile_query
from tailscale_sdk.operations.devices.comparisons import read_duration
from tailscale_sdk.operations.fleet import Fleet, Proposal
from tailscale_sdk.operations.fleet_changes import plan_change
from tailscale_sdk.operations.rule_files import read_rule_file
from tailscale_sdk.visible import visible

_DAY = timedelta(days=1)


def read_lifecycle_rules(options: argparse.Namespace, moment: datetime) -> cycle.LifecycleRules:
    """Return the thresholds of a command: from its rules file, its options, or the usual ones.

    Raises:
        ConfigurationError: the file cannot be read, or thresholds go down.
    """
    usual = _thresholds({name: getattr(options, name) for name in ("quiet", "stale", "quarantine", "remove")})
    if options.rules is None:
        return cycle.LifecycleRules((), usual)
    content = read_rule_file(options.rules)
    listed = content.get("rule", []) if isinstance(content, dict) else None
    if not isinstance(listed, list):
        raise ConfigurationError(f"{options.rules}: rules are a list under the key rule")
    rules = []
    for index, rule in enumerate(listed, 1):
        if not isinstance(rule, dict) or not isinstance(rule.get("query"), str):
            raise ConfigurationError(f"{options.rules}: rule {index} needs a query")
        thresholds = {name: value for name, value in rule.items() if name != "query"}
        test = compile_query(rule["query"], Surroundings(moment))
        rules.append((test, _thresholds(thresholds)))
    return cycle.LifecycleRules(tuple(rules), usual)


def _thresholds(given: Mapping[str, Any]) -> cycle.Thresholds:
    """Return thresholds, in days or as durations such as 30d."""
    return cycle.Thresholds.around(
        {
            name: read_duration(value) / _DAY if isinstance(value, str) else value
            for name, value in given.items()
        }
    )


def _exclusions(options: argparse.Namespace, hosts: frozenset[str] | None) -> cycle.Exclusions:
    return cycle.Exclusions(frozenset(options.protect), hosts, None, options.never_routers)


def _report(
    options: argparse.Namespace, fleet: Fleet, hosts: frozenset[str] | None, moment: datetime
) -> cycle.LifecycleReport:
    rules = read_lifecycle_rules(options, moment)
    return cycle.lifecycle(fleet, rules, now=moment, exclusions=_exclusions(options, hosts))


def status_command(options: argparse.Namespace) -> int:
    """Show the stage of every device that is not active; exit 1 where something is due."""
    if options.tailnet is not None:
        return look(
            options, (), lambda fleet, moment: _show_stages(options, _report(options, fleet, None, moment))
        )

    async def work(client: AsyncTailscale, engine: AsyncChanges) -> int:
        fleet = await load(client, ("services",))
        hosts = await _service_hosts(client, fleet)
        return _show_stages(options, _report(options, fleet, hosts, now()))

    return run_with_engine(options, work)


def _show_stages(options: argparse.Namespace, report: cycle.LifecycleReport) -> int:
    def text() -> None:
        print(", ".join(f"{count} {name}" for name, count in report.counts.items()))
        rows = [each.to_dict() for each in report.devices if each.stage != "active"]
        columns = ("stage", "silent_days", "name", "id", "owner", "tags", "excluded")
        print_rows(rows, columns, "every device is active")
        for sentence in (*report.anomalies, *report.notes):
            print(f"! {visible(sentence, limit=None)}")

    show(options, report.to_dict(), text)
    return FAILED if report.in_stage("stale", "quarantine", "remove") else DONE


def step_command(options: argparse.Namespace) -> int:
    """Mark, quarantine or remove what is due; exit 1 where something is due and nothing was carried out."""

    async def work(client: AsyncTailscale, engine: AsyncChanges) -> int:
        moment = now()
        fleet = await load(client, ("services", "settings"))
        report = _report(options, fleet, await _service_hosts(client, fleet), moment)
        proposal = _propose(options, engine, fleet, report, moment)
        if not proposal.steps:
            show(
                options,
                {"items": 0, "left_alone": [each.to_dict() for each in proposal.left_alone]},
                lambda: _print_nothing(proposal),
            )
            return DONE
        plan = await plan_change(client, proposal, changes=engine, limits=limits_of(options))
        if options.apply and options.notify is not None:
            await _notify(options.notify, proposal, report)
        code = await finish(client, engine, plan, options)
        return code if options.apply else FAILED

    return run_with_engine(options, work)


def _propose(
    options: argparse.Namespace,
    engine: AsyncChanges,
    fleet: Fleet,
    report: cycle.LifecycleReport,
    moment: datetime,
) -> Proposal:
    if options.step == "mark":
        return cycle.propose_marks(report, fleet, now=moment)
    since = cycle.recorded_quarantines(engine.state.journal)
    if options.step == "run":
        return cycle.lifecycle_step(
            report,
            fleet,
            now=moment,
            method=options.method,
            quarantined=since,
            grace=read_duration(options.grace),
        )
    if options.step == "quarantine":
        return cycle.propose_quarantine(report, fleet, now=moment, method=options.method, quarantined=since)
    return cycle.propose_removal(
        report,
        fleet,
        now=moment,
        quarantined=since,
        grace=read_duration(options.grace),
        skip_quarantine=options.skip_quarantine,
    )


async def _service_hosts(client: AsyncTailscale, fleet: Fleet) -> frozenset[str] | None:
    if "services" not in fleet.snapshot.content:
        return None
    return network.hosting(await network.load_hosts_async(client, fleet))


def _print_nothing(proposal: Proposal) -> None:
    print("nothing is due")
    for each in proposal.left_alone:
        print(
            f"- left alone: {visible(each.name or each.id)} ({each.id}): {visible(each.reason, limit=None)}"
        )


async def _notify(command: str, proposal: Proposal, report: cycle.LifecycleReport) -> None:
    """Hand each notice to a command as one line of JSON; where it fails, nothing is changed."""
    import asyncio

    lines = "".join(json.dumps(notice.to_dict()) + "\n" for notice in cycle.notices(proposal, report))
    process = await asyncio.create_subprocess_shell(command, stdin=asyncio.subprocess.PIPE)
    await process.communicate(lines.encode())
    if process.returncode:
        raise ConfigurationError(f"the notice command ended with {process.returncode}: nothing was changed")


def connectivity_command(options: argparse.Namespace) -> int:
    """Show who talks to the control server and who is silent; exit 1 where one is silent for longer than allowed."""

    def work(fleet: Fleet, moment: datetime) -> int:
        allowed = read_duration(options.silent) / timedelta(hours=1)
        report = connectivity(fleet, now=moment)
        late = report.longer_than(allowed)

        def text() -> None:
            print(f"{report.connected} of {report.total} devices are connected")
            rows = [each.to_dict() for each in report.silent]
            print_rows(rows, ("name", "id", "owner", "tags", "hours", "never_seen"), "nobody is silent")
            for group in ("tag", "user"):
                found = [
                    {group: name, **values}
                    for name, values in report.groups[group].items()
                    if values["silent"]
                ]
                print_rows(found, (group, "total", "connected", "longest_hours"), f"no {group} is silent")

        show(options, {**report.to_dict(), "late": [each.device.id for each in late]}, text)
        return FAILED if late else DONE

    return look(options, (), work)
