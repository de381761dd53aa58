"""The check names each thing that a person must add, and nothing when all is there."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codegen.canonical import to_yaml
from codegen.check import check, verify_wording
from codegen.document import load_document, operations
from codegen.importer import import_document
from codegen.lock import generation, read_lock, record_generation
from tests.codegen.published import SENTINEL, answer, published, save

Document = dict[str, Any]


def marks(document: Document, operation_id: str) -> Document:
    found: Document = next(
        e.node["x-sdk"] for e in operations(document) if e.node["operationId"] == operation_id
    )
    return found


@pytest.fixture
def curated(imported: Path) -> Path:
    """Return a checkout in which everything is confirmed."""
    path = imported / "openapi" / "tailscale.yaml"
    document = load_document(path)
    for endpoint in operations(document):
        own = endpoint.node["x-sdk"]
        own["scopes_mode"] = "none"
        if own["effect"] != "read":
            own["change"] = {"read": "getMachine", "fields": [], "inverse": "none"}
    for name in ("Machine", "UpdateMachineRequest"):
        document["components"]["schemas"][name]["properties"]["secretToken"]["x-sdk"] = {"secret": True}
    path.write_text(to_yaml(document))
    return imported


def edit(root: Path, change: Callable[[Document], Any]) -> list[str]:
    path = root / "openapi" / "tailscale.yaml"
    document = load_document(path)
    change(document)
    path.write_text(to_yaml(document))
    return [str(finding) for finding in check(root)]


def test_a_curated_description_passes(curated: Path) -> None:
    assert check(curated) == []


def test_after_the_first_import_everything_is_named(root: Path) -> None:
    import_document(save(root / "published.json", published()), root)
    told = [str(finding) for finding in check(root)]
    assert "operations.getMachine.summary: has no text of ours yet" in told
    assert "schemas.Machine.mood: has no text of ours yet" in told
    assert "operations.getMachine.path.machineId: has no text of ours yet" in told
    assert "parameters.net: has no text of ours yet" in told
    assert "tags.Machines: has no text of ours yet" in told
    assert sum("x-sdk is provisional" in line for line in told) == 6
    assert "schemas.Machine.secretToken: looks like a secret: say x-sdk.secret true or false" in told


CASES: dict[str, tuple[Callable[[Document], Any], str]] = {
    "no marks": (
        lambda d: next(e.node for e in operations(d) if e.node["operationId"] == "getMachine").pop("x-sdk"),
        "operation getMachine: no x-sdk",
    ),
    "missing mark": (
        lambda d: marks(d, "getMachine").pop("retry_class"),
        "operation getMachine: x-sdk.retry_class is missing",
    ),
    "unknown word": (
        lambda d: marks(d, "getMachine").update(effect="looks"),
        "operation getMachine: x-sdk.effect: 'looks' is none of delete, read, write",
    ),
    "provisional": (
        lambda d: marks(d, "getMachine").update(provisional=True),
        "operation getMachine: x-sdk is provisional: confirm each value, then delete the mark",
    ),
    "same method": (
        lambda d: marks(d, "getMachine").update(method="list_machines"),
        "operation getMachine: machines.list_machines is already listMachines",
    ),
    "body": (
        lambda d: marks(d, "setTags").pop("flatten"),
        "operation setTags: x-sdk needs one of flatten, body, manual: how is the body passed?",
    ),
    "no change": (
        lambda d: marks(d, "setTags").pop("change"),
        "operation setTags: x-sdk.change needs read, fields and inverse: how is the change verified and undone?",
    ),
    "change read": (
        lambda d: marks(d, "setTags")["change"].update(read="deleteMachine"),
        "operation setTags: x-sdk.change.read: deleteMachine is no reading operation",
    ),
    "change inverse": (
        lambda d: marks(d, "setTags")["change"].update(inverse="getMachine"),
        "operation setTags: x-sdk.change.inverse: getMachine is no changing operation",
    ),
    "change fields": (
        lambda d: marks(d, "setTags")["change"].update(fields="tags"),
        "operation setTags: x-sdk.change.fields is a list",
    ),
    "text": (
        lambda d: d["components"]["schemas"]["Machine"]["properties"]["seen"].pop("description"),
        "schemas.Machine.seen: has no text of ours yet",
    ),
    "marker within": (
        lambda d: d["tags"][0].update(description="Machines. TODO(wording)"),
        "tags.Machines: has no text of ours yet",
    ),
    "structure": (
        lambda d: d["components"]["schemas"]["Machine"]["properties"]["seen"].update(format="date"),
        "openapi/tailscale.yaml: its structure was changed without an import: use the overlay, then import",
    ),
    "invalid": (
        lambda d: d["components"]["schemas"]["Machine"]["properties"].update(
            ghost={"$ref": "#/components/schemas/G"}
        ),
        "#/components/schemas/G leads nowhere",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_missing_is_named(curated: Path, case: str) -> None:
    change, message = CASES[case]
    told = edit(curated, change)
    assert any(message in line for line in told), told


def test_counts_come_from_the_lock(curated: Path) -> None:
    lock = curated / "openapi" / "upstream.lock.json"
    content = json.loads(lock.read_text())
    content["counts"]["operations"] += 1
    lock.write_text(json.dumps(content))
    assert [f.message for f in check(curated)] == ["counts 7 operations, the description has 6"]
    lock.unlink()
    assert [f.message for f in check(curated)] == ["missing: import a published document"]


def test_a_parameter_that_looks_secret_is_named(curated: Path) -> None:
    parameter = {"name": "access_token", "in": "query", "description": "x", "schema": {"type": "string"}}
    told = edit(curated, lambda d: d["paths"]["/machine/{machineId}"]["get"]["parameters"].append(parameter))
    assert "operations.getMachine.access_token: looks like a secret: say x-sdk.secret true or false" in told


def test_a_style_of_ones_own_is_named(curated: Path) -> None:
    path = curated / "openapi" / "tailscale.yaml"
    path.write_text(path.read_text() + "\n")
    assert [f.message for f in check(curated)] == ["not in canonical form: import"]


def test_an_edited_overlay_is_named(curated: Path) -> None:
    overlay = curated / "openapi" / "overlay.yaml"
    overlay.write_text(
        overlay.read_text()
        + "- {target: \"$.paths['/machine/{machineId}/tags'].get\", reason: Nothing., remove: true}\n"
    )
    assert [f.message for f in check(curated)] == [
        "changed since the last import: import again",
        "action 5 is about /~1machine~1{machineId}~1tags/get, which is gone",
    ]
    overlay.write_text("overlay: 1.0.0\nactions: [{target: $}]\n")
    assert any("no reason" in f.message for f in check(curated))


def test_an_absent_or_broken_description_is_told(tmp_path: Path, curated: Path) -> None:
    assert len(check(tmp_path / "elsewhere")) == 1
    (curated / "openapi" / "tailscale.yaml").write_text("openapi: '2.0'\npaths: {}\n")
    assert [f.place for f in check(curated)] == ["openapi/tailscale.yaml#/openapi"]


def test_the_lock_moves_with_the_published_structure(imported: Path) -> None:
    path = imported / "openapi" / "upstream.lock.json"
    first = read_lock(path)
    document = published()
    document["components"]["schemas"]["Machine"]["properties"]["seen"]["description"] = "reworded"
    import_document(save(imported / "published.json", document), imported, today=dt.date(2031, 1, 1))
    assert read_lock(path) == first, "words are no structure"
    document["paths"]["/machine/{machineId}"]["get"]["responses"] = answer()
    import_document(save(imported / "published.json", document), imported, today=dt.date(2031, 1, 1))
    second = read_lock(path)
    assert second["reconciled"] == "2031-01-01"
    moved = {name for name, value in second["operations"].items() if first["operations"][name] != value}
    assert moved == {"getMachine"}
    assert SENTINEL not in path.read_text()


def test_the_date_stays_while_our_structure_does(imported: Path) -> None:
    path = imported / "openapi" / "upstream.lock.json"
    first = read_lock(path)
    document = published()
    document["components"]["schemas"]["Unused"] = {"type": "object", "properties": {"x": {"type": "string"}}}
    import_document(save(imported / "published.json", document), imported, today=dt.date(2031, 1, 1))
    second = read_lock(path)
    assert second["upstream_sha256"] != first["upstream_sha256"], "what was published did change"
    assert {**second, "upstream_sha256": ""} == {**first, "upstream_sha256": ""}
    import_document(str(imported / "openapi" / "tailscale.yaml"), imported, today=dt.date(2031, 1, 1))
    assert read_lock(path) == second, "our own description is no newer document"


def test_a_generation_is_noted_and_kept(imported: Path) -> None:
    path = imported / "openapi" / "upstream.lock.json"
    with_what: dict[str, Any] = {"generator": "1.2.3", "configuration": "{}", "templates": {"a.jinja": b"x"}}
    record_generation(imported, **with_what)
    noted = read_lock(path)["generation"]
    assert noted == generation(imported, **with_what)
    assert noted["generator"] == "1.2.3"
    import_document(save(imported / "published.json", published()), imported)
    assert read_lock(path)["generation"] == noted
    assert generation(imported, **{**with_what, "templates": {"a.jinja": b"y"}}) != noted


def test_eight_words_in_a_row_are_a_copy() -> None:
    theirs = {"info": {"description": "One two three four, five six-seven eight nine."}}
    same = {"paths": {"/a": {"get": {"summary": "Well: ONE two three\nfour five six-seven eight nine!"}}}}
    seven = {"paths": {"/a": {"get": {"summary": "one two three four five six-seven eight."}}}}
    assert [f.place for f in verify_wording(same, theirs)] == ["/paths/~1a/get/summary"]
    assert verify_wording(seven, theirs) == []


def test_words_of_extensions_and_of_fields_named_description_count() -> None:
    words = "alpha beta gamma delta epsilon zeta eta theta"
    field = {"components": {"schemas": {"A": {"properties": {"description": {"description": words}}}}}}
    assert [f.place for f in verify_wording(field, {"x-enumDescriptions": {"calm": words}})] == [
        "/components/schemas/A/properties/description/description"
    ]
