"""Markdown for a pull request, read back by a CommonMark parser: names are text or code, never markup."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tailscale_sdk.policy.findings import Finding, to_markdown
from tailscale_sdk.policy.findings.markdown import as_code, as_text
from tailscale_sdk.policy.language.model import Place
from tailscale_sdk.visible import visible
from tests.policy.findings.samples import ALL, ALLOW_ALL, HOSTILE, PASSED, UNUSED, any_findings

PARSER = MarkdownIt("gfm-like", {"linkify": False})
BLOCKS = {"heading", "paragraph", "bullet_list", "list_item"}
# Signs that GitHub reads in plain text, besides Markdown's own: mentions, references, emoji, formulas, addresses.
READ_BY_SITES = re.compile(r"@|#|:\w+:|\$|//|www\.")


def tokens(text: str) -> Iterator[Token]:
    for token in PARSER.parse(text):
        yield token
        yield from token.children or ()


def shown(text: str) -> str:
    """Return what a reader sees, after making sure that it is nothing but text and code."""
    seen = []
    for token in tokens(text):
        if token.type in {"text", "softbreak"}:
            assert not READ_BY_SITES.search(token.content), token.content
            seen.append(token.content or "\n")
        elif token.type == "code_inline":
            seen.append(token.content)
        else:
            assert token.type == "inline" or token.type.rsplit("_", 1)[0] in BLOCKS, token
            seen.append("\n" if token.type.endswith("_close") else "")
    return "".join(seen)


def test_a_report() -> None:
    assert to_markdown(ALL, title="Policy") == (
        "## Policy\n"
        "\n"
        "3 findings: 1 critical, 1 medium, 1 low; 1 manual; 1 pass; 1 unknown; 1 waived.\n"
        "\n"
        "### critical: `allow-all`: Everything is allowed\n"
        "\n"
        "- `policy.hujson:1:1` Neither acls nor grants is present: everything is allowed.\n"
        "\n"
        "Remedy: Write grants.\n"
        "\n"
        "### high: `no-recorder` (could not be decided)\n"
        "\n"
        "- The recorders were not read.\n"
        "\n"
        "### high: `sign-in` (for a person to confirm)\n"
        "\n"
        "- Second factors are the identity provider's.\n"
        "\n"
        "### high: `broad-rule` (waived)\n"
        "\n"
        "- Everyone reaches `tag:lab`.\n"
        "\n"
        "### medium: `stale-device`\n"
        "\n"
        "- `web-1` was not seen for 90 days.\n"
        "\n"
        "### low: `unused-group`\n"
        "\n"
        "- `policy.hujson:12:5` `group:old` is used by nothing.\n"
        '  Fix: `[{"op": "remove", "path": "/groups/group:old"}]`\n'
        "\n"
        "Remedy: Remove it.\n"
    )


def test_nothing_found() -> None:
    assert to_markdown([]) == "## Policy findings\n\nNo findings.\n"
    assert to_markdown([PASSED]) == "## Policy findings\n\nNo findings; 1 pass.\n"


def test_findings_of_one_check_stand_together() -> None:
    text = to_markdown([UNUSED, ALLOW_ALL, evolve(UNUSED, resource="b", place=Place("/b", 2, 3))])
    assert text.count("### low") == 1
    assert text.index("`policy.hujson:2:3`") < text.index("`policy.hujson:12:5`")
    assert text.count("Remedy: Remove it.") == 1


def test_columns_count_characters() -> None:
    finding = evolve(UNUSED, place=Place("/é", 1, 6))
    assert "`p.hujson:1:5`" in to_markdown([finding], policy_path="p.hujson", policy_text='{"é":1}')


@pytest.mark.parametrize("limit", [300, 1000, 3000])
def test_a_long_report_is_cut_between_findings_and_says_so(limit: int) -> None:
    findings = [
        evolve(UNUSED, resource=f"group:{number}", place=Place("/g", number + 1, 1)) for number in range(99)
    ]
    text = to_markdown(findings, length_limit=limit)
    kept = text.count("\n- ")
    assert len(text) <= limit
    assert kept > 0
    assert text.endswith(f"\n{99 - kept} more left out to keep this short.\n")
    assert "99 findings" in text


def test_no_limit_no_cut() -> None:
    assert to_markdown([UNUSED] * 50).count("\n- ") == 50


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_text_or_code(name: str) -> None:
    finding = evolve(
        UNUSED, check=name, title=name, message=name, help=name, fix=({"op": "remove", "path": name},)
    )
    text = shown(to_markdown([finding], title=name, policy_path=name.replace("\n", " ")))
    words = " ".join(visible(name).split(" ")).strip()
    assert text.count(words) >= 4


@given(any_findings)
def test_any_finding_is_text_or_code(findings: list[Finding]) -> None:
    shown(to_markdown(findings))


@given(st.text(min_size=1).map(visible))
def test_code_holds_any_text(text: str) -> None:
    (code,) = [token for token in tokens(f"x {as_code(text)} x") if token.type == "code_inline"]
    # A parser takes one space off each end where both have one; text of nothing but spaces keeps them all.
    assert code.content.strip(" ") == text.strip(" ")


@given(st.text())
def test_text_says_what_was_said(text: str) -> None:
    expected = visible(text, limit=1000).split()
    assert shown(f"x {as_text(text)}").split()[1:] == expected


def test_plain_words_stay_plain() -> None:
    text = "Nobody (not one) reaches it: over-broad, 12 devices; it's Grün."
    assert as_text(text) == text
