"""The structural difference finds each kind of change, ranks it, and sees nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from codegen.diff import Kind, compare, exit_code
from tests.codegen.published import SENTINEL, answer, published, schema, text

pytestmark = pytest.mark.each_row

Document = dict[str, Any]
GET = "GET /machine/{machineId}"
PATCH = "PATCH /machine/{machineId}"
LIST = "GET /net/{net}/machines"
TAGS = "POST /machine/{machineId}/tags"


def machine(document: Document) -> Document:
    found: Document = document["components"]["schemas"]["Machine"]
    return found


def tags_body(document: Document) -> Document:
    found: Document = document["paths"]["/machine/{machineId}/tags"]["post"]["requestBody"]
    return found


def tags_schema(document: Document) -> Document:
    found: Document = tags_body(document)["content"]["application/json"]["schema"]
    return found


def operation(document: Document, path: str, method: str) -> Document:
    found: Document = document["paths"][path][method]
    return found


def field(name: str, key: str, value: Any) -> Callable[[Document], None]:
    return lambda document: machine(document)["properties"][name].__setitem__(key, value)


def drop_field(name: str) -> Callable[[Document], None]:
    return lambda document: machine(document)["properties"].pop(name)


# name: (change, lines it must show, exit code); the reverse must show too, as another line
MUTATIONS: dict[str, tuple[Callable[[Document], Any], list[str], int]] = {
    "operation removed": (
        lambda d: d["paths"]["/machine/{machineId}"].pop("delete"),
        ["BREAKING DELETE /machine/{machineId}: operation removed"],
        2,
    ),
    "operation added": (
        lambda d: d["paths"]["/net/{net}/machines"].update(
            put={"operationId": "new", "tags": ["Machines"], "responses": answer()}
        ),
        ["ADDED    PUT /net/{net}/machines: operation added"],
        1,
    ),
    "operation renamed": (
        lambda d: operation(d, "/machine/{machineId}", "get").update(operationId="readMachine"),
        [f"BREAKING {GET}: operation operationId: getMachine -> readMachine"],
        2,
    ),
    "operation deprecated": (
        lambda d: operation(d, "/machine/{machineId}", "get").update(deprecated=True),
        [f"CHANGED  {GET}: operation deprecated: False -> True"],
        1,
    ),
    "optional parameter added": (
        lambda d: operation(d, "/net/{net}/machines", "get")["parameters"].append(
            {"name": "mood", "in": "query", "schema": text()}
        ),
        [f"ADDED    {LIST} -> query parameter mood added"],
        1,
    ),
    "required parameter added": (
        lambda d: operation(d, "/net/{net}/machines", "get")["parameters"].append(
            {"name": "mood", "in": "query", "required": True, "schema": text()}
        ),
        [f"BREAKING {LIST} -> query parameter mood added, required"],
        2,
    ),
    "parameter removed": (
        lambda d: operation(d, "/net/{net}/machines", "get")["parameters"].clear(),
        [f"BREAKING {LIST} -> header parameter Accept removed"],
        2,
    ),
    "parameter type": (
        lambda d: operation(d, "/net/{net}/machines", "get")["parameters"][0].update(schema={"type": "integer"}),
        [f"BREAKING {LIST} -> header parameter Accept type: string -> integer"],
        2,
    ),
    "body required": (
        lambda d: tags_body(d).update(required=True),
        [f"BREAKING {TAGS} -> body required: False -> True"],
        2,
    ),
    "body removed": (
        lambda d: operation(d, "/machine/{machineId}/tags", "post").pop("requestBody"),
        [f"BREAKING {TAGS} -> body removed"],
        2,
    ),
    "body field added": (
        lambda d: tags_schema(d)["properties"].update(note=text()),
        [f"ADDED    {TAGS} -> body: .note added"],
        1,
    ),
    "required body field added": (
        lambda d: tags_schema(d).update(
            properties={**tags_schema(d)["properties"], "note": text()}, required=["note"]
        ),
        [f"BREAKING {TAGS} -> body: .note added, required"],
        2,
    ),
    "body field required": (
        lambda d: tags_schema(d).update(required=["tags"]),
        [f"BREAKING {TAGS} -> body: .tags required: False -> True"],
        2,
    ),
    "body element type": (
        lambda d: tags_schema(d)["properties"]["tags"].update(items={"type": "integer"}),
        [f"BREAKING {TAGS} -> body: .tags[] type: string -> integer"],
        2,
    ),
    "body type widened": (
        lambda d: tags_schema(d)["properties"]["tags"].update(items={"type": ["string", "integer"]}),
        [f"CHANGED  {TAGS} -> body: .tags[] type: string -> integer|string"],
        1,
    ),
    "answer field added": (
        lambda d: machine(d)["properties"].update(weight={"type": "number"}),
        [f"ADDED    {LIST} -> 200: .machines[].weight added", f"ADDED    {GET} -> 200: .weight added"],
        1,
    ),
    "answer field removed": (
        drop_field("nickname"),
        [f"BREAKING {GET} -> 200: .nickname removed", f"BREAKING {PATCH} -> body: .nickname removed"],
        2,
    ),
    "answer type": (
        lambda d: d["components"]["schemas"]["Error"]["properties"]["message"].update(type="integer"),
        [f"CHANGED  {GET} -> 404: .message type: string -> integer"],
        1,
    ),
    "deep field": (
        lambda d: machine(d)["properties"]["place"]["properties"]["rooms"]["items"]["properties"]["no"].update(
            type="string"
        ),
        [f"CHANGED  {LIST} -> 200: .machines[].place.rooms[].no type: integer -> string"],
        2,
    ),
    "map value": (
        lambda d: machine(d)["properties"]["latency"]["additionalProperties"]["properties"].pop("ms"),
        [f"BREAKING {GET} -> 200: .latency.*.ms removed"],
        2,
    ),
    "nullable": (
        field("seen", "type", ["string", "null"]),
        [f"CHANGED  {GET} -> 200: .seen type: string -> null|string"],
        1,
    ),
    "nullable by the old keyword": (
        field("seen", "nullable", True),
        [f"CHANGED  {GET} -> 200: .seen type: string -> null|string"],
        1,
    ),
    "answer required": (
        lambda d: d["components"]["schemas"]["Error"].pop("required"),
        [f"CHANGED  {GET} -> 404: .message required: True -> False"],
        1,
    ),
    "enum word added": (
        lambda d: d["components"]["schemas"]["mood"]["enum"].append("asleep"),
        [f"ADDED    {GET} -> 200: .mood enum: asleep", f"ADDED    {PATCH} -> body: .mood enum: asleep"],
        1,
    ),
    "enum word removed": (
        lambda d: d["components"]["schemas"]["mood"]["enum"].remove("busy"),
        [f"CHANGED  {GET} -> 200: .mood enum: busy removed", f"BREAKING {PATCH} -> body: .mood enum: busy removed"],
        2,
    ),
    "enum opened": (
        lambda d: d["components"]["schemas"].update(mood={"anyOf": [d["components"]["schemas"]["mood"], text()]}),
        [f"CHANGED  {GET} -> 200: .mood enum: open"],
        1,
    ),
    "enum gone": (
        lambda d: d["components"]["schemas"]["mood"].pop("enum"),
        [f"CHANGED  {GET} -> 200: .mood enum: no longer listed"],
        1,
    ),
    "limit": (
        lambda d: d["components"]["schemas"]["nickname"].update(maxLength=10),
        [f"CHANGED  {GET} -> 200: .nickname maxLength: 20 -> 10"],
        1,
    ),
    "format": (
        field("seen", "format", "date"),
        [f"CHANGED  {GET} -> 200: .seen format: date-time -> date"],
        1,
    ),
    "status added": (
        lambda d: operation(d, "/machine/{machineId}", "get")["responses"].update(answer_429=answer()["404"]),
        [f"ADDED    {GET} -> answer_429: answer added"],
        1,
    ),
    "success removed": (
        lambda d: operation(d, "/machine/{machineId}", "get")["responses"].pop("200"),
        [f"BREAKING {GET} -> 200: answer removed"],
        2,
    ),
    "media type added": (
        lambda d: tags_body(d)["content"].update({"application/hujson": {"schema": text()}}),
        [f"ADDED    {TAGS} -> body: application/hujson added"],
        1,
    ),
    "media type misspelled": (
        lambda d: operation(d, "/net/{net}/policy", "post")["requestBody"]["content"].update(
            {"application/husjon": operation(d, "/net/{net}/policy", "post")["requestBody"]["content"].pop("application/hujson")}
        ),
        [
            "BREAKING POST /net/{net}/policy -> body: application/hujson removed",
            "ADDED    POST /net/{net}/policy -> body: application/husjon added",
        ],
        2,
    ),
    "header added": (
        lambda d: operation(d, "/machine/{machineId}", "get")["responses"]["200"].update(headers={"ETag": {}}),
        [f"ADDED    {GET} -> 200: header ETag added"],
        1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTATIONS)
def test_each_kind_of_change_is_found_and_ranked(name: str) -> None:
    mutate, lines, code = MUTATIONS[name]
    changed = published()
    mutate(changed)
    changes = compare(published(), changed)
    told = [str(change) for change in changes]
    assert set(lines) <= set(told)
    assert exit_code(changes) == code
    back = compare(changed, published())
    assert {change.operation for change in back} == {change.operation for change in changes}


def test_a_document_equals_itself() -> None:
    assert compare(published(), published()) == []
    assert exit_code([]) == 0


def test_prose_and_marks_do_not_count() -> None:
    def reworded(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: reworded(value) for key, value in node.items() if not key.startswith("x-")}
        if isinstance(node, list):
            return [reworded(item) for item in node]
        return "other words" if node == SENTINEL else node

    assert compare(published(), reworded(published())) == []


def test_names_and_places_of_schemas_do_not_count() -> None:
    moved = published()
    schemas = moved["components"]["schemas"]
    schemas["MachinePlace"] = machine(moved)["properties"]["place"]
    machine(moved)["properties"]["place"] = schema("MachinePlace")
    listed = operation(moved, "/net/{net}/machines", "get")["responses"]["200"]["content"]["application/json"]
    schemas["ListMachinesResponse"] = listed["schema"]
    listed["schema"] = schema("ListMachinesResponse")
    item = moved["paths"]["/machine/{machineId}"]
    shared = item.pop("parameters")
    for method in ("get", "patch", "delete"):
        item[method]["parameters"] = shared
    assert compare(published(), moved) == []


def test_circles_end() -> None:
    circular = published()
    schemas = circular["components"]["schemas"]
    schemas["Tree"] = {"type": "object", "properties": {"left": schema("Tree"), "right": schema("Bush")}}
    schemas["Bush"] = {"type": "array", "items": schema("Tree")}
    machine(circular)["properties"]["tree"] = schema("Tree")
    assert compare(circular, circular) == []
    assert any(change.text.endswith(".tree added") for change in compare(published(), circular))


def test_a_field_inside_a_new_one_is_not_told_again() -> None:
    grown = published()
    machine(grown)["properties"]["engine"] = {
        "type": "object",
        "properties": {"power": text(), "parts": {"type": "array", "items": text()}},
    }
    told = [change.text for change in compare(published(), grown) if change.operation == GET]
    assert told == ["200: .engine added"]


def test_ranks_order_the_exit_codes() -> None:
    assert Kind.ADDED < Kind.CHANGED < Kind.BREAKING


def test_a_thousand_fields_take_less_than_a_second() -> None:
    large = published()
    fields = {f"field{number}": text() for number in range(1000)}
    machine(large)["properties"].update(fields)
    # Of this thread's own work: a busy machine makes nothing slower here.
    start = time.thread_time()
    assert compare(large, large) == []
    assert time.thread_time() - start < 1.0
