"""Findings as Markdown for a pull request: nothing in a name can become a link, a mention or markup."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, groupby

from tailscale_sdk.policy.findings.model import SEVERITIES, Columns, Finding, sort_findings
from tailscale_sdk.visible import visible

TEXT_LIMIT = 1000
# GitHub refuses comments above 65,536 characters.
LENGTH_LIMIT = 60_000
_ROOM_FOR_OMITTED = 60

# Every sign that Markdown, or a site that adds mentions and references to it, gives a meaning is ASCII.
_LETTER = r"(?:[^\W\d_]|[^\x00-\x7f])"
_PLAIN = re.compile(rf"{_LETTER}+(?:['-]{_LETTER}+)*|[0-9]+")
_WORD = re.compile(r"(\(?)([^ ]*?)([.,;:!?)]*)(?: |\Z)")
_HEADINGS = {
    "fail": "",
    "unknown": "could not be decided",
    "manual": "for a person to confirm",
    "waived": "waived",
    "error": "broke off",
}


def to_markdown(
    findings: Iterable[Finding],
    *,
    title: str = "Policy findings",
    policy_path: str = "policy.hujson",
    policy_text: str | None = None,
    length_limit: int = LENGTH_LIMIT,
) -> str:
    """Return findings as Markdown: a count, then each check with its findings and what to do.

    Args:
        findings: in any order; what passed or does not apply is only counted.
        title: heading of the report.
        policy_path: the policy file, named before each line.
        policy_text: the policy, so that columns count characters also behind others than ASCII.
        length_limit: characters at most; what is left out is counted.
    """
    ordered = sort_findings(findings)
    columns = Columns(policy_text)
    parts = [f"## {as_text(title)}\n\n{_counts(ordered)}\n"]
    room, omitted = length_limit - len(parts[0]) - _ROOM_FOR_OMITTED, 0
    for heading, group in _groups([finding for finding in ordered if finding.status in _HEADINGS]):
        remedy = f"\nRemedy: {as_text(group[0].help)}\n" if group[0].help else ""
        items = [_item(finding, policy_path, columns) for finding in group]
        shown = _fitting(items, 0 if omitted else room - len(heading) - len(remedy))
        omitted += len(items) - len(shown)
        if shown:
            parts.append("".join((heading, *shown, remedy)))
            room -= len(parts[-1])
    return "".join((*parts, f"\n{omitted} more left out to keep this short.\n" if omitted else ""))


def as_text(text: str, *, limit: int = TEXT_LIMIT) -> str:
    """Write untrusted text as Markdown: each word that is more than letters or digits becomes code.

    Args:
        text: one line.
        limit: characters at most.
    """
    return _WORD.sub(_as_word, visible(text, limit=limit)).rstrip(" ")


def as_code(text: str) -> str:
    """Write a text as a code span, fenced by more backticks than it holds.

    Args:
        text: one line, visible already.
    """
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    edge = " " if not text.strip(" ") or text[0] in "` " or text[-1] in "` " else ""
    return f"{fence}{edge}{text}{edge}{fence}"


def _as_word(match: re.Match[str]) -> str:
    before, word, after = match.groups()
    gap = " " if match[0].endswith(" ") else ""
    # A number with a dot or a bracket behind it would begin a list.
    numbered = word.isdecimal() and after[:1] in {".", ")"}
    if not word or (_PLAIN.fullmatch(word) and not numbered):
        return f"{before}{word}{after}{gap}"
    return f"{before}{as_code(word)}{after}{gap}"


def _counts(ordered: Sequence[Finding]) -> str:
    failed = Counter(finding.severity for finding in ordered if finding.status == "fail")
    others = Counter(finding.status for finding in ordered if finding.status != "fail")
    by_severity = [f"{failed[severity]} {severity}" for severity in reversed(SEVERITIES) if failed[severity]]
    by_status = [f"{others[status]} {status.replace('_', ' ')}" for status in sorted(others)]
    total = failed.total()
    noun = "finding" if total == 1 else "findings"
    first = f"{total} {noun}: {', '.join(by_severity)}" if total else "No findings"
    return f"{'; '.join((first, *by_status))}."


def _groups(listed: Sequence[Finding]) -> Iterator[tuple[str, list[Finding]]]:
    """Put findings of one check and outcome together, where the first of them stands."""

    def key(finding: Finding) -> tuple[str, str, str]:
        return finding.severity, finding.status, finding.check

    first = {key(finding): place for place, finding in reversed(list(enumerate(listed)))}
    for (severity, status, check), group in groupby(sorted(listed, key=lambda one: first[key(one)]), key=key):
        members = list(group)
        note = f" ({_HEADINGS[status]})" if _HEADINGS[status] else ""
        about = f": {as_text(members[0].title)}" if members[0].title else ""
        yield f"\n### {severity}: {as_code(visible(check))}{about}{note}\n\n", members


def _item(finding: Finding, policy_path: str, columns: Columns) -> str:
    where = ""
    if finding.place is not None:
        path = visible(policy_path, limit=None)
        where = f"{as_code(f'{path}:{finding.place.line}:{columns.of(finding.place)}')} "
    fix = ""
    if finding.fix:
        operations = json.dumps([dict(operation) for operation in finding.fix])
        fix = f"\n  Fix: {as_code(operations)}"
    return f"- {where}{as_text(finding.message)}{fix}\n"


def _fitting(items: Sequence[str], room: int) -> list[str]:
    """Return the first items that have room together."""
    ends = accumulate(map(len, items))
    return [item for item, end in zip(items, ends, strict=True) if end <= room]
