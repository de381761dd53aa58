"""Waivers: what they cover, when they count, and what is said of those that do not; the files they are read from."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations.audit import AuditRun, audit_rules, read_audit_rules
from tests.operations.audit.runs import SINS, run_of

WAIVER: dict[str, Any] = {
    "check": "SET-01",
    "resource": "devicesApprovalOn",
    "reason": "approved by hand elsewhere",
    "owner": "alice@example.com",
    "created": "2026-06-01",
    "expires": "2026-12-31",
    "ticket": "OPS-1",
}
ALLOW_ALL = {**SINS, "policy": '{"acls": [{"action": "accept", "src": ["*"], "dst": ["*:*"]}]}'}


def _run(*waivers: dict[str, Any], content: dict[str, Any] | None = None, **more: Any) -> AuditRun:
    return run_of(content, rules=audit_rules({"waivers": [{**WAIVER, **each} for each in waivers]}), **more)


def _words(run: AuditRun) -> list[tuple[str, str, str]]:
    return [
        (finding.severity, finding.aspect, finding.message)
        for finding in run.findings
        if finding.check == "WVR-01"
    ]


def _status(run: AuditRun, check: str) -> set[str]:
    return {finding.status for finding in run.findings if finding.check == check}


def test_a_waived_finding_stays_visible_and_does_not_count() -> None:
    run = _run({})
    assert _status(run, "SET-01") == {"waived"}
    assert _words(run) == []
    waived = next(finding for finding in run.findings if finding.status == "waived")
    assert run.waivers[waived.fingerprint].ticket == "OPS-1"
    assert run.by_status["waived"] == 1


@pytest.mark.parametrize(
    ("check", "resource"),
    [
        ("KEY-01", "k3"),
        ("KEY-01", "k*"),
        ("KEY-*", "for CI"),
        ("DEV-02", "tag:web"),
        ("DEV-01", "alice-laptop"),
        ("KEY-01", "tag:web"),
    ],
)
def test_a_resource_is_an_id_a_name_a_pattern_or_a_tag(check: str, resource: str) -> None:
    content = {**SINS, "keys": [{**each, "tags": ["tag:web"]} for each in SINS["keys"]]}
    run = _run({"check": check, "resource": resource}, content=content)
    assert any(finding.status == "waived" for finding in run.findings)
    assert _words(run) == []


@pytest.mark.parametrize(
    ("fields", "severity", "said"),
    [
        ({"expires": "2026-06-29"}, "medium", "has expired: its findings count again"),
        ({"created": "2026-07-01"}, "low", "does not hold yet"),
        ({"created": "2026-01-01", "expires": "2027-01-02"}, "medium", "more than 365 days"),
        ({"created": None, "expires": "2027-07-01"}, "medium", "more than 365 days"),
    ],
)
def test_one_that_does_not_hold_is_told_and_its_finding_counts(
    fields: dict[str, Any], severity: str, said: str
) -> None:
    run = _run(fields)
    assert _status(run, "SET-01") == {"fail"}
    ((found, _, message),) = _words(run)
    assert found == severity
    assert message.startswith("the waiver of SET-01 for devicesApprovalOn ")
    assert said in message


def test_its_last_day_counts() -> None:
    assert _status(_run({"expires": "2026-06-30"}), "SET-01") == {"waived"}
    assert _status(_run({}, today=date(2027, 1, 1)), "SET-01") == {"fail"}


@pytest.mark.parametrize(
    ("fields", "said"),
    [({"resource": "nothing"}, "matches nothing"), ({"check": "SET-99"}, "names no check there is")],
)
def test_one_that_matches_nothing_is_told(fields: dict[str, Any], said: str) -> None:
    ((severity, _, message),) = _words(_run(fields))
    assert severity == "low"
    assert said in message


def test_one_whose_check_could_not_look_is_not_called_unused() -> None:
    content = {name: value for name, value in SINS.items() if name != "settings"}
    assert _words(_run({}, content=content)) == []


@pytest.mark.parametrize(("check", "resource"), [("ACC-01", "*"), ("*", "*"), ("ACC-*", "?*")])
def test_one_for_everything_critical_does_not_count_unless_it_is_allowed(check: str, resource: str) -> None:
    broad = {"check": check, "resource": resource}
    run = _run(broad, content=ALLOW_ALL)
    assert "fail" in _status(run, "ACC-01")
    ((severity, _, message),) = _words(run)
    assert severity == "high"
    assert "--allow-broad" in message
    allowed = _run(broad, content=ALLOW_ALL, allow_broad=True)
    assert _status(allowed, "ACC-01") == {"waived"}
    assert [severity for severity, _, _ in _words(allowed)] == ["low"]


def test_one_rule_of_a_critical_check_may_be_waived_by_its_id() -> None:
    found = next(finding for finding in run_of(ALLOW_ALL).failed if finding.check == "ACC-01")
    run = _run({"check": "ACC-01", "resource": found.resource}, content=ALLOW_ALL)
    assert _status(run, "ACC-01") == {"waived"}


def test_a_severity_of_this_tailnet_takes_the_place_of_the_usual_one() -> None:
    run = run_of(rules=audit_rules({"severities": {"SET-01": "low", "SET-03": "critical"}}))
    found = {finding.check: finding.severity for finding in run.failed}
    assert (found["SET-01"], found["SET-03"]) == ("low", "critical")


TEXTS = {
    "toml": '[[waivers]]\ncheck = "SET-01"\nresource = "devicesApprovalOn"\nreason = "r"\n'
    'owner = "alice@example.com"\ncreated = 2026-06-01\nexpires = 2026-12-31\n',
    "yaml": "- check: SET-01\n  resource: devicesApprovalOn\n  reason: r\n"
    "  owner: alice@example.com\n  created: 2026-06-01\n  expires: 2026-12-31\n",
    "json": json.dumps({"waivers": [{**WAIVER, "reason": "r", "ticket": ""}]}),
}


@pytest.mark.parametrize("kind", TEXTS)
def test_every_kind_of_file_says_the_same(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"waivers.{kind}"
    path.write_text(TEXTS[kind])
    assert read_audit_rules(path) == audit_rules({"waivers": [{**WAIVER, "reason": "r", "ticket": ""}]})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (7, "an object with options"),
        ({"waiver": []}, "there is no section 'waiver'; did you mean waivers"),
        ({"waivers": {}}, None),
        ({"waivers": "x"}, "waivers: must be a list"),
        ({"waivers": [1]}, r"waivers\[0\]: must be a table"),
        ({"waivers": [{**WAIVER, "owner": " "}]}, r"waivers\[0\]: owner is needed"),
        ({"waivers": [{**WAIVER, "expires": "soon"}]}, r"waivers\[0\]: expires is needed, as a date"),
        ({"waivers": [{**WAIVER, "expires": "2026-05-01"}]}, "expires before it was created"),
        ({"waivers": [{**WAIVER, "until": 1}]}, "there is no field 'until'"),
        ({"attestations": [{**WAIVER}]}, r"attestations\[0\]: there is no field"),
        (
            {"attestations": [{"subject": "mfaa", "owner": "a", "expires": "2026-09-01"}]},
            "there is no subject 'mfaa'; did you mean mfa",
        ),
        ({"options": {"stale_day": 3}}, "there is no option 'stale_day'; did you mean stale_days"),
        ({"options": {"stale_days": "3"}}, "options.stale_days: must be a number"),
        ({"options": {"exit_nodes": "n1"}}, "options.exit_nodes: must be a list of texts"),
        ({"options": {"baseline": 1}}, "options.baseline: must be a table"),
        ({"options": {"latest_version": 1}}, "options.latest_version: must be text"),
        ({"severities": {"SET-1": "low"}}, "there is no check 'SET-1'; did you mean SET-01"),
        ({"severities": {"SET-01": "bad"}}, "severities.SET-01: must be one of"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_place(content: Any, said: str | None) -> None:
    if said is None:
        assert audit_rules(content).waivers == ()
        return
    with pytest.raises(ConfigurationError, match=said):
        audit_rules(content)


def test_thresholds_are_read(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(
        '[options]\nstale_days = 5\nnever_expiring_tags = ["tag:web"]\n[severities]\nSET-01 = "info"\n'
    )
    rules = read_audit_rules(path)
    assert (rules.options.stale_days, rules.options.never_expiring_tags) == (5, {"tag:web"})
    joined = rules.joined(audit_rules({"waivers": [WAIVER]}))
    assert (joined.options, len(joined.waivers), joined.severities) == (rules.options, 1, {"SET-01": "info"})


def test_a_file_that_is_none_names_itself(tmp_path: Path) -> None:
    for name, text, said in (
        ("a.yaml", "a: [", "is not YAML"),
        ("b.toml", "[", "is not TOML"),
        ("c", "{", "is not JSON"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(ConfigurationError, match=said):
            read_audit_rules(tmp_path / name)
    (tmp_path / "d").write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match="is not UTF-8"):
        read_audit_rules(tmp_path / "d")
