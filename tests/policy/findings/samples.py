"""Findings that more than one test looks at, and a strategy for any."""

from __future__ import annotations

from hypothesis import strategies as st

from tailscale_sdk.policy.findings import SEVERITIES, STATUSES, Finding
from tailscale_sdk.policy.language.model import Place

ALLOW_ALL = Finding(
    "allow-all",
    "critical",
    "Neither acls nor grants is present: everything is allowed.",
    place=Place("", 1, 1),
    title="Everything is allowed",
    help="Write grants.",
)
UNUSED = Finding(
    "unused-group",
    "low",
    "group:old is used by nothing.",
    place=Place("/groups/group:old", 12, 5),
    resource="group:old",
    kind="group",
    help="Remove it.",
    fix=({"op": "remove", "path": "/groups/group:old"},),
)
STALE = Finding(
    "stale-device",
    "medium",
    "web-1 was not seen for 90 days.",
    resource="n1CNTRL",
    kind="device",
    name="web-1",
)
UNREAD = Finding("no-recorder", "high", "The recorders were not read.", status="unknown")
WAIVED = Finding(
    "broad-rule", "high", "Everyone reaches tag:lab.", resource="rule-1", kind="rule", status="waived"
)
MANUAL = Finding("sign-in", "high", "Second factors are the identity provider's.", status="manual")
PASSED = Finding("safe-approvers", "high", "No approver is broad.", status="pass")
ALL = (ALLOW_ALL, UNUSED, STALE, UNREAD, WAIVED, MANUAL, PASSED)

HOSTILE = (
    "]]><script>alert(1)</script>",
    "[click](https://example.com/x) ![i](//example.com/i)",
    "@team #1 GH-2 owner/repo#3 :boom: www.example.com https://example.com alice@example.com",
    "a|b `c` ``d`` \\`e *f* _g_ ~~h~~ <!-- i --> &amp; $k$",
    "::add-mask::x\n::error::forged\r##[add-mask]y %0A%25",
    "\x00\x08\x1b[31m\ufffe\uffff\ud800 \u202eevil\u200b",
    "{0} {x} {{y}}",
    "1. # > - + = | --- ===",
)
"""Names that try to be something else in one of the formats."""

_texts = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=40))
_places = st.builds(Place, _texts, st.integers(1, 9), st.integers(1, 99))
any_finding = st.builds(
    Finding,
    check=_texts,
    severity=st.sampled_from(SEVERITIES),
    message=_texts,
    place=st.none() | _places,
    resource=st.none() | _texts,
    status=st.sampled_from(STATUSES),
    help=_texts,
    fix=st.just(()) | st.tuples(st.fixed_dictionaries({"op": st.just("remove"), "path": _texts})),
    title=_texts,
    kind=_texts,
    name=_texts,
    aspect=_texts,
)
any_findings = st.lists(any_finding, max_size=6)
