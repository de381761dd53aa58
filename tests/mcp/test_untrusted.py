"""Hostile text in every string field of every model, through every converter; nothing hidden comes out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from mcp_adapter import output
from mcp_adapter.arguments import CheckedCall, Options
from mcp_adapter.catalog import Entry, read_catalog
from mcp_adapter.confirmation import LINE_LIMIT, question_of
from mcp_adapter.failures import from_error
from mcp_adapter.output import Shaped, TooLarge, shape_read, shape_write
from mcp_adapter.text import read_table
from tailscale_sdk.changes.model import Plan, PlannedItem, Target
from tailscale_sdk.errors import BadRequestError
from tests.contract.wire import description, resolve
from tests.payloads import HONEST_NAMES, PAYLOADS
from tests.unit.test_visible import hidden_in

CATALOG = read_catalog()
ENTRIES = list(CATALOG.entries.values())
DEPTH = 6
# What a result may not be longer than, however long the text of the tailnet is.
CAP = output.TEXT_BUDGET


def answer_schema(entry: Entry) -> Any:
    """Return the schema of an operation's success, None where nothing is returned."""
    operation = description()["paths"][entry["path"]][entry["http_method"].lower()]
    content = resolve(operation["responses"].get("200") or operation["responses"].get("202", {})).get(
        "content"
    )
    return content and content.get("application/json", {}).get("schema")


def filled(schema: Any, text: str, depth: int = DEPTH) -> Any:
    """Build a value in which every string, map keys included, is the text."""
    schema = resolve(schema)
    for word in ("anyOf", "oneOf", "allOf"):
        if word in schema:
            return filled(next(s for s in schema[word] if s.get("type") != "null"), text, depth)
    kind = schema.get("type")
    if kind == "array":
        return [filled(schema.get("items", {}), text, depth - 1)] if depth else []
    if kind == "object" or "properties" in schema:
        members = {
            name: filled(part, text, depth - 1)
            for name, part in schema.get("properties", {}).items()
            if depth
        }
        others = schema.get("additionalProperties")
        return {
            **members,
            **({text[:200]: filled(others, text, depth - 1)} if isinstance(others, dict) and depth else {}),
        }
    return {"integer": 1, "number": 1.5, "boolean": True}.get(str(kind), text)


def answers(entry: Entry, text: str) -> Any:
    """Return what the SDK's method would give for such an answer."""
    if entry["operation"] == "getPolicyFile":
        return {"policy": text, "etag": text, "warnings": [text], "errors": [text]}
    if entry["operation"] == "validateAndTestPolicyFile":
        return {"ok": False, "message": text, "data": [{"user": text, "errors": [text]}]}
    value = filled(answer_schema(entry) or {"type": "object"}, text)
    returned = str(entry["answer"])
    if returned in {"list", "values"} and isinstance(value, dict):
        value = next((part for part in value.values() if isinstance(part, list)), [])
    return value


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield str(name)
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def check(shaped: Shaped) -> None:
    """Assert that both forms are equal, bounded, and hide nothing."""
    parsed = read_table(shaped.text) if "columns" in shaped.structured else json.loads(shaped.text)
    assert parsed == json.loads(json.dumps(shaped.structured))
    assert len(shaped.text) <= CAP
    for text in strings(shaped.structured):
        multiline = "\n" in text or "\t" in text
        assert hidden_in(text, multiline=multiline) == []
        assert multiline is False or "policy" in shaped.structured.get("item", {})


# The longest ones are about size, which one list and one write settle for all.
SHORT = [payload for payload in PAYLOADS if len(payload) <= 1000]
LONG = [payload for payload in PAYLOADS if len(payload) > 1000]
WIDE = ("listTailnetDevices", "getPolicyFile", "setDeviceName")
ROUNDS = 12


def rounds(entry: Entry) -> list[str]:
    """Return the whole corpus for the widest answers, and for the others a share that starts elsewhere for each."""
    if entry["operation"] in WIDE:
        return [*SHORT, *(LONG if entry["operation"] == "setDeviceName" else LONG[:1])]
    start = ENTRIES.index(entry) * ROUNDS
    return [SHORT[(start + step) % len(SHORT)] for step in range(ROUNDS)]


READS = [entry for entry in ENTRIES if entry["effect"] == "read"]
WRITES = [entry for entry in ENTRIES if entry["effect"] != "read"]


@pytest.mark.parametrize("entry", READS, ids=lambda entry: str(entry["operation"]))
def test_every_answer_of_a_read(entry: Entry) -> None:
    for payload in rounds(entry):
        for detail in ("concise", "full"):
            try:
                check(shape_read(CheckedCall(entry, {}, Options(detail=detail)), answers(entry, payload)))
            except TooLarge:
                assert len(payload) > 1000


@pytest.mark.parametrize("entry", WRITES, ids=lambda entry: str(entry["operation"]))
def test_every_answer_of_a_write(entry: Entry) -> None:
    for payload in rounds(entry):
        value = answers(entry, payload)
        state = value if isinstance(value, dict) else {"value": value}
        for result in ({"ok": True, "item": value}, {"ok": True, "before": state, "after": state}):
            try:
                check(shape_write(CATALOG, entry, result))
            except TooLarge:
                assert len(payload) > 1000


@pytest.mark.parametrize("payload", PAYLOADS)
def test_errors_of_the_service(payload: str) -> None:
    error = BadRequestError(status=400, message=payload, data=[{"user": payload, "errors": [payload]}])
    content = from_error(CATALOG, CATALOG.entries["setPolicyFile"], error)
    for text in strings(content):
        assert hidden_in(text) == []
        assert len(text) <= 1100


@pytest.mark.parametrize("payload", PAYLOADS)
def test_the_question_keeps_its_lines(payload: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, hostile = (question(text) for text in ("web-1", payload))
    assert len(plain.splitlines()) == len(hostile.splitlines())
    for one, other in zip(plain.splitlines(), hostile.splitlines(), strict=True):
        assert one.partition(":")[0] == other.partition(":")[0], (
            "no text of theirs passes for a field of ours"
        )
        assert hidden_in(other) == []
        assert len(other) <= 3 * LINE_LIMIT


def question(text: str) -> str:
    """Ask about a deletion of something that is called like that in every place."""
    from datetime import UTC, datetime

    from tailscale_sdk import Tailscale

    with Tailscale(api_key="tskey-api-demo") as client:
        call = client.prepare("setDeviceName", device_id="nDEMO12CNTRL", name="web-2")
    target = Target("device", "nDEMO12CNTRL", text, "100.64.0.7")
    item = PlannedItem(
        call, target, {"name": text}, {"name": "web-2"}, "base", "yes", None, ("it is renamed",)
    )
    now = datetime(2026, 7, 1, tzinfo=UTC)
    plan = Plan("id", "change", "-", "default", "os:1", now, now, "digest", (item,))
    return question_of(plan, "devices_write set_name")


@pytest.mark.parametrize("name", HONEST_NAMES)
def test_honest_names_survive(name: str) -> None:
    entry = CATALOG.entries["listTailnetDevices"]
    device = {"nodeId": "n1", "name": name, "hostname": name}
    call = CheckedCall(entry, {}, Options(select=("hostname",)))
    shown = shape_read(call, [device]).structured["items"][0]["hostname"]
    import unicodedata

    assert shown == unicodedata.normalize("NFC", name)


def test_without_the_choke_point_every_converter_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take it out and see that the tests above are not blind."""
    monkeypatch.setattr(output, "visible_value", lambda value, **options: value)
    blind = []
    for entry in READS:
        try:
            check(
                shape_read(
                    CheckedCall(entry, {}, Options(detail="full")), answers(entry, "\x1b[31mred\u202e")
                )
            )
        except AssertionError:
            continue
        if any(isinstance(part, str) and "\x1b" in part for part in strings(answers(entry, "\x1b"))):
            blind.append(entry["operation"])
    assert blind == []
