"""Drive the page of an audit in a headless Chromium; where none can be had, say so loudly."""

from __future__ import annotations

import sys
import time
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

from tailscale_sdk.operations.audit.html import to_html

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from scripts.chromium import Page
from scripts.page_checks import HOSTILE, OPEN_SECONDS, expect, run_page_checks

Json = dict[str, Any]
LARGE_FINDINGS = 20_000
SEARCH_SECONDS = 0.5
NARROW_PIXELS = 400
SEVERITIES = ("critical", "high", "medium", "low", "info")
COMMAND = "tailscale-sdk audit fix "


def main() -> int:
    """Return 0 when the page does what it promises, or with a loud line when there is no Chromium."""
    checks = {
        "heading": check_heading,
        "tabs": check_tabs,
        "filters": check_filters,
        "finding": check_finding,
        "trend": check_trend,
        "print": check_print,
        "narrow": check_narrow,
        "empty": check_empty,
        "hostile": check_hostile,
        "large": check_large,
    }
    return run_page_checks("an audit", checks)


def finding(check: str, severity: str, name: str, status: str = "fail", **fields: Any) -> Json:
    """Return one finding about a key of this name."""
    return {
        "check": check,
        "title": f"Title of {check}",
        "severity": severity,
        "status": status,
        "resource": {"kind": "key", "id": f"id-{name}", "name": name},
        "message": f"something is the case with {name}",
        "evidence": [],
        "location": None,
        "remediation": "change it",
        "fix": None,
        "fingerprint": sha256(f"{check} {name}".encode()).hexdigest(),
        "state": "persisting",
        "first_seen": "2026-05-01T12:00:00Z",
        "controls": ["CC6.1"],
        "waiver": None,
        **fields,
    }


def check_row(check: str, severity: str, **fields: Any) -> Json:
    """Return one check with what it came to."""
    return {
        "check": check,
        "version": 1,
        "title": f"Title of {check}",
        "severity": severity,
        "family": check[:3],
        "inputs": ["devices", "keys"],
        "missing": {},
        "counts": {},
        "controls": ["CC6.1"],
        "remediation": "change it",
        **fields,
    }


def report(findings: list[Json], checks: list[Json], **fields: Any) -> Json:
    """Return a report that adds up."""
    failed = Counter(each["severity"] for each in findings if each["status"] == "fail")
    statuses = Counter[str]()
    for each in checks:
        statuses.update(each["counts"])
    by_severity = {name: failed[name] for name in SEVERITIES}
    return {
        "schema": "tailscale-sdk/audit/1",
        "report": "r-1",
        "tailnet": "example.com",
        "observed_at": "2026-06-30T12:00:00Z",
        "coverage": {},
        "summary": {
            "by_severity": by_severity,
            "by_status": dict(statuses),
            "new": 1,
            "persisting": len(findings) - 1,
            "resolved": 1,
        },
        "trend": [{"at": "2026-06-30T12:00:00Z", "by_severity": by_severity}],
        "checks": checks,
        "findings": findings,
        "resolved": [],
        **fields,
    }


def usual() -> Json:
    """Return a report with something of everything."""
    gone = {
        "fingerprint": "a" * 64,
        "check": "KEY-03",
        "title": "Title of KEY-03",
        "severity": "high",
        "resource": None,
        "message": "it was too old",
        "first_seen": "2026-05-01T12:00:00Z",
        "resolved_at": "2026-06-30T12:00:00Z",
    }
    trend = [
        {"at": "2026-05-31T12:00:00Z", "by_severity": {"critical": 5, "high": 1}},
        {"at": "2026-06-30T12:00:00Z", "by_severity": {"critical": 2, "high": 1, "low": 1}},
    ]
    coverage = {"log_streams": "403: no scope"}
    return report(_usual_findings(), _usual_checks(), coverage=coverage, resolved=[gone], trend=trend)


def _usual_findings() -> list[Json]:
    evidence = [
        {"source": "listTailnetKeys", "tags": ["tag:web", "tag:db"], "capabilities": {"reusable": True}}
    ]
    fix = [{"operation": "deleteKey", "arguments": {"key_id": "id-alpha"}}]
    waiver = {
        "owner": "alice@example.com",
        "reason": "until it moves",
        "expires": "2026-09-30T00:00:00Z",
        "ticket": "SEC-142",
    }
    place = {"pointer": "/grants/0/dst", "line": 41, "column": 7}
    return [
        finding("KEY-01", "critical", "alpha", evidence=evidence, fix=fix, location=place, state="new"),
        finding("KEY-01", "critical", "beta"),
        finding("KEY-02", "high", "beta"),
        finding("KEY-02", "high", "gamma", "waived", waiver=waiver),
        finding("LOG-01", "high", "delta", "unknown"),
        finding("MAN-01", "medium", "epsilon", "manual"),
        finding("DEV-01", "low", "beta"),
    ]


def _usual_checks() -> list[Json]:
    return [
        check_row("KEY-01", "critical", counts={"pass": 1, "fail": 2}),
        check_row("KEY-02", "high", counts={"fail": 1, "waived": 1}),
        check_row("DEV-01", "low", counts={"fail": 1}),
        check_row("DEV-02", "medium", counts={"pass": 9}),
        check_row("LOG-01", "high", missing={"log_streams": "403: no scope"}, counts={"unknown": 1}),
        check_row("MAN-01", "medium", counts={"manual": 1}),
    ]


def opened(page: Page, path: Path, document: Json) -> float:
    """Write the page of a report, open it, and return the seconds that took."""
    path.write_text(to_html(document), encoding="utf-8")
    return page.open(path)


def text_of(page: Page, selector: str) -> str:
    """Return the text of one element."""
    return str(page.read(f"document.querySelector({selector!r}).textContent"))


def count_of(page: Page, selector: str) -> int:
    """Return how many elements there are."""
    return int(page.read(f"document.querySelectorAll({selector!r}).length"))


def click(page: Page, selector: str) -> None:
    """Click the first such element."""
    page.click(f"document.querySelector({selector!r})")


def click_box(page: Page, kind: str, value: str) -> None:
    """Click the box of one filter."""
    click(page, f'input[data-kind="{kind}"][value="{value}"]')


def check_heading(page: Page, path: Path) -> None:
    """The top tells whose, when, how bad, what changed, and what could not be judged."""
    opened(page, path, usual())
    expect("heading", "tailnet", "example.com", text_of(page, "#tailnet"))
    expect(
        "heading", "time", "2026-06-30T12:00:00Z", page.read("document.querySelector('#when time').dateTime")
    )
    expect("heading", "verdict", "2 critical and 1 high findings to act on first.", text_of(page, "#verdict"))
    numbers = page.read("[...document.querySelectorAll('.tile .big')].map((number) => number.textContent)")
    expect("heading", "counts by severity", ["2", "1", "0", "1", "0"], numbers)
    shapes = "[...document.querySelectorAll('.tile path')].map((path) => path.getAttribute('d'))"
    expect("heading", "different shapes", 5, len(set(page.read(shapes))))
    changes = page.read("[...document.querySelectorAll('#changes li')].map((each) => each.innerText)")
    expect("heading", "changes", ["+1 new", "=6 persisting", "\N{MINUS SIGN}1 resolved"], changes)
    coverage = text_of(page, "#coverage")
    for words in ("1 of 6 checks could not", "1 result is unknown", "403: no scope (1 check)"):
        expect("heading", f"what could not be judged says {words!r}", True, words in coverage)


def check_tabs(page: Page, path: Path) -> None:
    """Tabs switch views by mouse and by keys; each shows its own list."""
    opened(page, path, usual())
    headings = "[...document.querySelectorAll('[role=tabpanel]:not([hidden]) h2')].map((h) => h.innerText)"
    expect("tabs", "severities, the worst first", 4, len(page.read(headings)))
    expect("tabs", "the first severity", True, "Critical" in page.read(headings)[0])
    click(page, "#tab-resource")
    expect("tabs", "chosen tab", "true", page.read("document.getElementById('tab-resource').ariaSelected"))
    resources = page.read(
        "[...document.querySelectorAll('#view-resource .fold > summary bdi')].map((each) => each.textContent)"
    )
    expect("tabs", "resources, the worst first", ["beta", "alpha", "epsilon"], resources)
    page.press("ArrowRight")
    expect("tabs", "the tab with the focus", "tab-family", page.read("document.activeElement.id"))
    expect("tabs", "every check, passed ones too", 6, count_of(page, "#view-family .check"))
    expect("tabs", "badges of passed checks", 1, count_of(page, "#view-family .badge.status-pass"))
    page.press("End")
    expect("tabs", "the last tab", "tab-resolved", page.read("document.activeElement.id"))
    expect("tabs", "resolved findings", 1, count_of(page, "#view-resolved .gone"))
    expect("tabs", "visible views", 1, count_of(page, "[role=tabpanel]:not([hidden])"))
    expect("tabs", "tabs the Tab key stops at", 1, count_of(page, '[role=tab][tabindex="0"]'))


def check_filters(page: Page, path: Path) -> None:
    """Search and boxes narrow what is shown; a tile shows only its severity."""
    opened(page, path, usual())
    expect("filters", "shown at first", "5 of 7 findings shown", text_of(page, "#shown"))
    click_box(page, "status", "waived")
    expect("filters", "with waived ones", "6 of 7 findings shown", text_of(page, "#shown"))
    click_box(page, "status", "unknown")
    click_box(page, "severity", "critical")
    expect("filters", "without critical ones", "5 of 7 findings shown", text_of(page, "#shown"))
    click(page, "#reset")
    click_box(page, "state", "persisting")
    expect("filters", "only new ones", "1 of 7 findings shown", text_of(page, "#shown"))
    click(page, "#reset")
    click(page, '.tile[data-severity="high"]')
    expect("filters", "only high ones", "1 of 7 findings shown", text_of(page, "#shown"))
    expect("filters", "pressed tiles", 1, count_of(page, '.tile[aria-pressed="true"]'))
    click(page, "#reset")
    page.press("/", "/")
    page.type("ALPHA key-01")
    expect("filters", "found by two words", "1 of 7 findings shown", text_of(page, "#shown"))
    page.type(" nothing")
    expect("filters", "nothing found", 1, count_of(page, "#view-severity .empty"))


def check_finding(page: Page, path: Path) -> None:
    """A finding opens and shows all that is known of it."""
    opened(page, path, usual())
    click(page, "#view-severity .finding summary")
    page.wait("document.querySelector('#view-severity .finding .detail')")
    detail = text_of(page, "#view-severity .finding .detail")
    fingerprint = usual()["findings"][0]["fingerprint"]
    words = (
        "change it",
        COMMAND + fingerprint[:12],
        '"key_id": "id-alpha"',
        "tag:web, tag:db",
        "capabilities.reusable",
        "line 41, column 7 /grants/0/dst",
        "1 May 2026",
        "CC6.1",
        fingerprint,
    )
    for each in words:
        expect("finding", f"the detail says {each!r}", True, each in detail)
    click(page, "#view-severity .copyable button")
    page.wait("['Copied', 'Selected'].includes(document.querySelector('.copyable button').textContent)")
    click_box(page, "status", "waived")
    page.click(
        "[...document.querySelectorAll('.finding')].find((each) => each.innerText.includes('gamma'))"
        ".querySelector('summary')"
    )
    page.wait("document.querySelector('.finding[open] .detail')")
    waiver = text_of(page, ".finding[open] .detail")
    for each in ("alice@example.com", "until it moves", "30 Sept 2026", "SEC-142"):
        expect("finding", f"the waiver says {each!r}", True, each in waiver)


def check_trend(page: Page, path: Path) -> None:
    """Runs become charts with a table beneath; one run becomes a sentence."""
    opened(page, path, usual())
    click(page, "#tab-trend")
    expect("trend", "charts", 6, count_of(page, "#view-trend svg.curve"))
    expect("trend", "rows of the table", 2, count_of(page, "#view-trend tbody tr"))
    sentence = page.read("document.querySelectorAll('#view-trend svg.curve')[1].ariaLabel")
    expect("trend", "words", "Critical: 5 in the first run, 2 in this one, 5 at most.", sentence)
    opened(page, path, {**usual(), "trend": usual()["trend"][-1:]})
    click(page, "#tab-trend")
    expect("trend", "charts of one run", 0, count_of(page, "#view-trend svg.curve"))
    expect("trend", "a sentence", True, text_of(page, "#view-trend").startswith("This is the first run"))


def check_print(page: Page, path: Path) -> None:
    """A print opens all that the chosen view shows, and closes it again."""
    opened(page, path, usual())
    page.read("dispatchEvent(new Event('beforeprint')), 0")
    expect("print", "details that are open", 5, count_of(page, "#view-severity .finding[open] .detail"))
    page.read("dispatchEvent(new Event('afterprint')), 0")
    expect("print", "details that are still open", 0, count_of(page, "#view-severity .finding[open]"))


def check_narrow(page: Page, path: Path) -> None:
    """Nothing is wider than a small screen, in no view."""
    page.call(
        "Emulation.setDeviceMetricsOverride",
        width=NARROW_PIXELS,
        height=800,
        deviceScaleFactor=1,
        mobile=False,
    )
    document = usual()
    document["findings"][0].update(message="x" * 300, remediation="y" * 300)
    opened(page, path, document)
    expect("narrow", "open filters", False, page.read("document.getElementById('choices').open"))
    for view in ("severity", "resource", "family", "trend", "resolved"):
        click(page, f"#tab-{view}")
        page.read("dispatchEvent(new Event('beforeprint')), 0")
        wide = page.read("document.documentElement.scrollWidth > innerWidth")
        expect("narrow", f"the view by {view} is wider than the screen", False, wide)
    click(page, "#tab-severity")
    ends = (
        "[...document.querySelectorAll('.message, .detail dd')].map((e) => e.getBoundingClientRect().right)"
    )
    expect("narrow", "texts that are cut", [], [end for end in page.read(ends) if end > NARROW_PIXELS])


def check_empty(page: Page, path: Path) -> None:
    """A report with nothing in it says so."""
    for document in ({}, report([], [], report=None, tailnet=None, observed_at=None, summary={}, trend=[])):
        opened(page, path, document)
        expect("empty", "verdict", "No check has run.", text_of(page, "#verdict"))
        expect("empty", "list", "There are no findings.", text_of(page, "#view-severity"))
        expect(
            "empty",
            "tab of what is resolved",
            True,
            page.read("document.getElementById('tab-resolved').hidden"),
        )


def check_hostile(page: Page, path: Path) -> None:
    """A name that tries to be markup is text, wherever it stands."""
    hostile = finding(
        "KEY-01",
        "high",
        HOSTILE,
        message=HOSTILE,
        title=HOSTILE,
        evidence=[{"source": HOSTILE, HOSTILE: HOSTILE, "__proto__": HOSTILE}],
        fix=[{"operation": HOSTILE, "arguments": {HOSTILE: HOSTILE}}],
        controls=[HOSTILE],
        waiver=dict.fromkeys(("owner", "reason", "expires", "ticket"), HOSTILE),
        location={"pointer": HOSTILE, "line": 1, "column": 1},
        first_seen=HOSTILE,
    )
    odd = check_row("constructor", "high", family="constructor", missing={HOSTILE: HOSTILE}, title=HOSTILE)
    trend = [{"at": HOSTILE, "by_severity": {}}, {"at": HOSTILE, "by_severity": {}}]
    resolved = [{**hostile, "resolved_at": HOSTILE}]
    document = report(
        [hostile], [odd], tailnet=HOSTILE, coverage={HOSTILE: HOSTILE}, trend=trend, resolved=resolved
    )
    opened(page, path, {**document, "report": HOSTILE, "observed_at": HOSTILE})
    for view in ("severity", "resource", "family", "trend", "resolved"):
        click(page, f"#tab-{view}")
        page.read("dispatchEvent(new Event('beforeprint')), 0")
    expect("hostile", "what a name has run", None, page.read("window.broken ?? null"))
    expect("hostile", "images", 0, page.read("document.images.length"))
    expect("hostile", "scripts", 2, page.read("document.scripts.length"))
    expect("hostile", "tailnet", HOSTILE, text_of(page, "#tailnet"))
    expect("hostile", "message", HOSTILE, text_of(page, "#view-severity .message"))


def check_large(page: Page, path: Path) -> None:
    """Many findings open quickly, are made only where they are looked at, and can be searched."""
    findings = [
        finding(f"KEY-{number % 40:02}", SEVERITIES[number * 5 // LARGE_FINDINGS], f"device-{number}")
        for number in range(LARGE_FINDINGS)
    ]
    for each in findings:
        each["evidence"] = [{"source": "listTailnetKeys", "created": "2026-01-02", "tags": ["tag:web"] * 8}]
    checks = [check_row(f"KEY-{number:02}", "high", counts={"fail": 500}) for number in range(40)]
    seconds = opened(page, path, report(findings, checks))
    print(f"  {LARGE_FINDINGS} findings opened in {seconds:.2f} s")
    expect("large", f"opened within {OPEN_SECONDS:g} s", True, seconds < OPEN_SECONDS)
    expect("large", "rows before anything is opened", 0, count_of(page, ".finding"))
    click(page, "#view-severity .fold summary")
    page.wait("document.querySelector('.finding')")
    expect("large", "rows of one group", 50, count_of(page, ".finding"))
    page.click("document.querySelector('.more')")
    expect("large", "rows after asking for more", 100, count_of(page, ".finding"))
    click(page, "#tab-resource")
    click(page, "#search")
    started = time.monotonic()
    page.type("device-4321")
    per_letter = (time.monotonic() - started) / len("device-4321")
    print(f"  a letter of a search took {per_letter:.3f} s")
    expect("large", f"a letter takes less than {SEARCH_SECONDS:g} s", True, per_letter < SEARCH_SECONDS)
    expect("large", "found", "1 of 20,000 findings shown", text_of(page, "#shown"))


if __name__ == "__main__":
    sys.exit(main())
