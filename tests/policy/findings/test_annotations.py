"""GitHub annotations: one command a line whatever a name holds, read back as the runner reads them."""

from __future__ import annotations

import re

import pytest
from attrs import evolve
from hypothesis import given

from tailscale_sdk.policy.findings import Finding, to_annotations
from tailscale_sdk.policy.language.model import Place
from tailscale_sdk.visible import visible
from tests.policy.findings.samples import ALL, ALLOW_ALL, HOSTILE, STALE, UNREAD, UNUSED, any_findings


def read(line: str) -> tuple[str, dict[str, str], str]:
    """Read a workflow command: the first `::` after the name ends the properties."""
    match = re.fullmatch(r"::([a-z]+) ((?:(?!::).)*)::(.*)", line)
    assert match is not None, line
    properties = {}
    for pair in match[2].split(","):
        name, _, value = pair.partition("=")
        for code, sign in (("%2C", ","), ("%3A", ":"), ("%0A", "\n"), ("%0D", "\r"), ("%25", "%")):
            value = value.replace(code, sign)
        properties[name] = value
    return match[1], properties, match[3].replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")


def test_a_finding_stands_at_its_line() -> None:
    assert to_annotations([UNUSED], policy_path="infra/policy.hujson") == (
        "::notice file=infra/policy.hujson,line=12,col=5,title=unused-group"
        "::group:old is used by nothing. (unused-group)\n"
    )


def test_what_stands_nowhere_names_no_file() -> None:
    assert read(to_annotations([STALE], policy_path="p").rstrip("\n"))[1] == {"title": "stale-device"}


def test_the_worst_comes_first_and_the_rest_is_left_out() -> None:
    lines = to_annotations(ALL, policy_path="p").splitlines()
    assert [read(line)[0] for line in lines] == ["error", "warning", "warning", "notice"]
    assert lines[1].endswith("::unknown: The recorders were not read. (no-recorder)")
    assert read(lines[1])[2] == f"unknown: {UNREAD.message} (no-recorder)"


def test_properties_are_escaped() -> None:
    finding = evolve(ALLOW_ALL, title="a:b,c%", message="100% of a:b,c")
    line = to_annotations([finding], policy_path="a,b:c%.hujson")
    assert line == (
        "::error file=a%2Cb%3Ac%25.hujson,line=1,col=1,title=a%3Ab%2Cc%25::100%25 of a:b,c (allow-all)\n"
    )


def test_columns_count_characters() -> None:
    finding = evolve(UNUSED, place=Place("/é", 1, 6))
    assert ",col=5," in to_annotations([finding], policy_path="p", policy_text='{"é":1}')


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_starts_a_command(name: str) -> None:
    finding = evolve(UNUSED, check=name, title=name, message=name)
    lines = to_annotations([finding], policy_path=name).split("\n")
    assert len(lines) == 2
    command, properties, message = read(lines[0])
    assert (command, properties["line"]) == ("notice", "12")
    assert properties["title"] == visible(name)
    assert message == f"{visible(name)} ({visible(name)})"


@given(any_findings)
def test_one_line_a_finding(findings: list[Finding]) -> None:
    text = to_annotations(findings, policy_path="policy.hujson")
    assert len(text.splitlines()) == sum(
        finding.status in {"fail", "unknown", "error"} for finding in findings
    )
    for line in text.splitlines():
        assert read(line)[0] in {"error", "warning", "notice"}
