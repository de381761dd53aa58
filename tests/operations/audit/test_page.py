"""The page of an audit: two scripts and one style of its own, whatever the report says."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailscale_sdk.operations.audit import CHECKS, run_checks
from tailscale_sdk.operations.audit.history import alone
from tailscale_sdk.operations.audit.html import to_html
from tailscale_sdk.operations.fleet import read_fleet
from tailscale_sdk.snapshot import TailnetSnapshot
from tests.operations.audit.cases import auth, key
from tests.operations.fleets import NOW, USERS

NASTY = (
    "</script><script>alert(1)</script>",
    "<!-- <script>",
    "</SCRIPT\n>",
    "</style><img src=x onerror=alert(1)>",
    "\N{RIGHT-TO-LEFT OVERRIDE}drow",
    "line\nbreak",
    "\ud800",
    "\N{LINE SEPARATOR}",
    "&lt;b&gt; &amp;",
    "$title ${script} $$",
    '" onload="alert(1)',
    "__proto__",
)
TEXTS = st.one_of(st.sampled_from(NASTY), st.text(max_size=20))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


class Parts(HTMLParser):
    """Collect what a browser would make of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, Any]]] = []
        self.texts: dict[str, list[str]] = {"script": [], "style": [], "title": []}
        self._inside: str | None = None
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attributes: Any) -> None:
        self.tags.append((tag, dict(attributes)))
        self._inside = tag if tag in self.texts else None
        if self._inside:
            self.texts[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = None

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.texts[self._inside][-1] += data

    @property
    def data(self) -> Any:
        return json.loads(self.texts["script"][0])

    @property
    def security(self) -> str:
        metas = [attributes for tag, attributes in self.tags if tag == "meta"]
        (policy,) = (each["content"] for each in metas if each.get("http-equiv") == "Content-Security-Policy")
        return str(policy)


def _finding(text: str, value: Any, **fields: Any) -> dict[str, Any]:
    return {
        "check": "KEY-01",
        "title": text,
        "severity": "high",
        "status": "fail",
        "resource": {"kind": text, "id": text, "name": text},
        "message": text,
        "evidence": [{"source": text, text: value}],
        "location": {"pointer": text, "line": 1, "column": 1},
        "remediation": text,
        "fix": [{"operation": "deleteKey", "arguments": {text: value}}],
        "fingerprint": "0" * 64,
        "state": None,
        "first_seen": None,
        "controls": [text],
        "waiver": {"owner": text, "reason": text, "expires": None, "ticket": text},
        **fields,
    }


def _report(text: str, value: Any) -> dict[str, Any]:
    return {"tailnet": text, "coverage": {text: text}, "findings": [_finding(text, value)]}


@settings(deadline=None, max_examples=60)
@given(TEXTS, VALUES)
def test_no_name_gets_out_of_the_data(text: str, value: Any) -> None:
    page = Parts(to_html(_report(text, value)))
    empty = Parts(to_html({}))
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in empty.tags]
    assert page.texts["script"][1:] == empty.texts["script"][1:]
    assert page.texts["style"] == empty.texts["style"]
    assert not any({"src", "href", "srcset", "action"} & set(attributes) for _, attributes in page.tags)


@settings(deadline=None, max_examples=60)
@given(TEXTS, VALUES)
def test_what_a_fix_sends_is_exact_and_plain(text: str, value: Any) -> None:
    report = _report(text, value)
    (shown,) = Parts(to_html(report)).data["findings"]
    assert shown["fix"].isascii()
    assert json.loads(shown["fix"]) == report["findings"][0]["fix"]


def test_nothing_hidden_stays_in_a_name() -> None:
    (shown,) = Parts(to_html(_report("\N{RIGHT-TO-LEFT OVERRIDE}drow", None))).data["findings"]
    assert shown["resource"]["name"] == "\N{REPLACEMENT CHARACTER}drow"


def test_only_its_own_script_and_style_are_allowed_by_their_hashes() -> None:
    page = Parts(to_html(_report("name", "value")))
    hashes = [
        f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
        for text in (page.texts["script"][1], page.texts["style"][0])
    ]
    assert page.security.split("; ") == [
        "default-src 'none'",
        f"script-src {hashes[0]}",
        f"style-src {hashes[1]}",
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]


def test_nothing_in_the_page_is_from_elsewhere() -> None:
    page = to_html({})
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "").replace("http-equiv", "")
    for forbidden in ("innerHTML", "insertAdjacentHTML", "document.write", "eval(", "url(", "@import"):
        assert forbidden not in page


def test_the_same_report_gives_the_same_bytes() -> None:
    content: dict[str, Any] = {
        "devices": [],
        "users": USERS,
        "tailnet": "example.com",
        "keys": [key(id="k1", capabilities=auth(reusable=True, ephemeral=False))],
    }
    fleet = read_fleet(TailnetSnapshot.from_dict(content))
    document = alone(run_checks(fleet, CHECKS.values(), now=NOW), now=NOW).to_dict()
    before = json.dumps(document)
    page = to_html(document)
    assert page == to_html(json.loads(before))
    assert json.dumps(document) == before
    assert len(Parts(page).data["findings"]) == len(document["findings"]) > 0
    assert Parts(page).texts["title"] == ["Audit of example.com"]


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"findings": [], "checks": [], "tailnet": None, "observed_at": None, "report": None},
        {"findings": None, "tailnet": ""},
    ],
)
def test_a_report_with_nothing_in_it_is_a_page(document: dict[str, Any]) -> None:
    page = Parts(to_html(document))
    assert page.texts["title"] == ["Audit"]
    assert page.data["findings"] == []
    assert re.search(r"</html>\s*$", to_html(document))


def test_a_finding_without_a_fix_has_none() -> None:
    (shown,) = Parts(to_html({"findings": [_finding("name", 1, fix=None)]})).data["findings"]
    assert shown["fix"] is None
