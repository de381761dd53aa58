"""Import takes the structure of a published document, keeps our words, and refuses what is broken."""

from __future__ import annotations

import datetime as dt
import http.server
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codegen.document import SIZE_CAP, DocumentRefused, load_document, operations, parse_document
from codegen.importer import ImportReport, import_document
from codegen.lock import read_lock
from codegen.overlay import OverlayFailed
from codegen.reading import read_document
from tests.codegen.published import SENTINEL, answer, published, save, text, words

pytestmark = pytest.mark.each_row

Document = dict[str, Any]


def bring_in(root: Path, document: Document, **options: Any) -> ImportReport:
    return import_document(save(root / "published.json", document), root, **options)


def description(root: Path) -> Document:
    return load_document(root / "openapi" / "tailscale.yaml")


def files(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (root / "openapi").iterdir()}


def node(document: Document, operation_id: str) -> Document:
    return next(e.node for e in operations(document) if e.node["operationId"] == operation_id)


def test_no_word_of_the_published_document_comes_in(root: Path) -> None:
    report = bring_in(root, published())
    written = b"".join(content for name, content in files(root).items() if name != "overlay.yaml")
    assert SENTINEL.encode() not in written
    assert b"zyzzyva" not in written
    assert "zyzzyva" not in json.dumps(report.document) + "".join(report.needs_person)


def test_structure_comes_in(root: Path) -> None:
    bring_in(root, published())
    machine = description(root)["components"]["schemas"]["Machine"]["properties"]
    assert machine["nickname"]["maxLength"] == 20
    assert machine["seen"] == {
        "type": ["string", "null"],
        "format": "date-time",
        "description": "TODO(wording)",
    }
    assert machine["secretToken"]["writeOnly"] is True
    assert machine["description"]["type"] == "string"


def test_inline_schemas_get_names_by_rule(root: Path) -> None:
    bring_in(root, published())
    document = description(root)
    schemas = document["components"]["schemas"]
    assert set(schemas) == {
        "Error",
        "ListMachinesResponse",
        "Machine",
        "MachineExtra",
        "MachineLatency",
        "MachinePlace",
        "MachinePlaceRoomsItem",
        "Mood",
        "PolicyObject",
        "RelayLatency",
        "SetTagsRequest",
        "UpdateMachineRequest",
    }
    assert schemas["MachineExtra"]["properties"].keys() == {"owner", "more"}
    assert schemas["MachineLatency"]["additionalProperties"] == {"$ref": "#/components/schemas/RelayLatency"}


def test_bodies_and_answers_follow_the_passes(root: Path) -> None:
    bring_in(root, published())
    document = description(root)
    schemas = document["components"]["schemas"]
    assert "id" not in schemas["UpdateMachineRequest"]["properties"], "the server sets it"
    assert schemas["UpdateMachineRequest"]["required"] == ["seen"]
    assert schemas["Machine"]["required"] == ["id"], "an answer is trusted with its identity only"
    assert schemas["SetTagsRequest"]["required"] == ["tags"]
    assert node(document, "setTags")["requestBody"]["required"] is True
    assert "required" not in schemas["Error"]
    for endpoint in operations(document):
        assert set(endpoint.node["responses"]) == {"200", "4XX", "5XX"}
    policy = node(document, "setPolicy")["requestBody"]["content"]
    assert policy["application/json"]["schema"] == {"$ref": "#/components/schemas/PolicyObject"}
    assert policy["application/hujson"]["schema"] == {"type": "string"}


def test_parameters_that_are_none_go_away(root: Path) -> None:
    bring_in(root, published())
    machines = node(description(root), "listMachines")
    assert machines["parameters"] == [{"$ref": "#/components/parameters/net"}]
    assert machines["x-sdk"]["free_filters"] is True


def test_open_enums_keep_their_words_and_take_others(root: Path) -> None:
    bring_in(root, published())
    schemas = description(root)["components"]["schemas"]
    mood = schemas["Machine"]["properties"]["mood"]
    assert mood["anyOf"] == [{"$ref": "#/components/schemas/Mood"}, {"type": "string"}]
    assert schemas["Mood"]["enum"] == ["calm", "busy"]


def test_a_wished_name_is_for_equal_schemas_only(root: Path) -> None:
    wish = "- {target: $.components.schemas.%s, reason: x, update: {x-sdk: {name: Place}}}\n"
    place, other = "Machine.properties.place", "Machine.properties.latency.additionalProperties"
    (root / "openapi" / "overlay.yaml").write_text("overlay: 1.0.0\nactions:\n" + wish % place + wish % other)
    bring_in(root, published())
    schemas = description(root)["components"]["schemas"]
    assert schemas["Place"]["properties"].keys() == {"city", "rooms"}
    assert schemas["MachineLatency"]["additionalProperties"] == {
        "$ref": "#/components/schemas/MachineLatencyValue"
    }


def test_two_schemas_of_one_name_are_refused(root: Path) -> None:
    document = published()
    document["components"]["schemas"]["SetTagsRequest"] = {"type": "object", "properties": {"other": text()}}
    with pytest.raises(DocumentRefused, match="/components/schemas/SetTagsRequest"):
        bring_in(root, document)


def test_import_can_be_repeated(root: Path) -> None:
    bring_in(root, published(), today=dt.date(2026, 7, 1))
    first = files(root)
    report = bring_in(root, published(), today=dt.date(2026, 8, 1))
    assert files(root) == first
    assert report.changes == ()
    assert read_lock(root / "openapi" / "upstream.lock.json")["reconciled"] == "2026-07-01"


def test_order_of_keys_does_not_matter(root: Path) -> None:
    bring_in(root, published())
    first = (root / "openapi" / "tailscale.yaml").read_bytes()
    document = published()
    document["components"]["schemas"] = dict(reversed(document["components"]["schemas"].items()))
    document = dict(reversed(document.items()))
    bring_in(root, document)
    assert (root / "openapi" / "tailscale.yaml").read_bytes() == first


def test_yaml_reads_like_json(root: Path) -> None:
    import yaml

    bring_in(root, published())
    first = (root / "openapi" / "tailscale.yaml").read_bytes()
    source = root / "published.yaml"
    source.write_text(
        yaml.safe_dump(published(), sort_keys=False).replace("'200':", "200:").replace("'404':", "404:")
    )
    import_document(str(source), root)
    assert (root / "openapi" / "tailscale.yaml").read_bytes() == first


def test_our_words_and_marks_survive(imported: Path) -> None:
    path = imported / "openapi" / "tailscale.yaml"
    own = (
        path.read_text()
        .replace("method: get_machine", "method: get")
        .replace("Our own words.", "Kept words.", 1)
    )
    path.write_text(own)
    report = bring_in(imported, published())
    assert report.needs_person == ()
    assert path.read_text() == own


def test_split_bodies_start_with_the_words_of_their_origin(imported: Path) -> None:
    path = imported / "openapi" / "tailscale.yaml"
    document = description(imported)
    document["components"]["schemas"]["Machine"]["properties"]["seen"]["description"] = (
        "When it was last seen."
    )
    del document["components"]["schemas"]["UpdateMachineRequest"]["properties"]["seen"]["description"]
    path.write_text(json.dumps(document))
    bring_in(imported, published())
    variant = description(imported)["components"]["schemas"]["UpdateMachineRequest"]
    assert variant["properties"]["seen"]["description"] == "When it was last seen."


def test_a_changed_document_is_told_exactly(imported: Path) -> None:
    document = published()
    del document["paths"]["/machine/{machineId}/tags"]
    document["paths"]["/net/{net}/machines"]["post"] = {
        "operationId": "createMachine",
        "tags": ["Machines"],
        **words(),
        "requestBody": {
            "content": {"application/json": {"schema": {"type": "object", "properties": {"city": text()}}}}
        },
        "responses": answer({"$ref": "#/components/schemas/Machine"}),
    }
    document["components"]["schemas"]["Machine"]["properties"]["weight"] = {
        "type": "number",
        "description": SENTINEL,
    }
    document["components"]["schemas"]["mood"]["enum"].append("asleep")
    report = bring_in(imported, document)
    told = [str(change) for change in report.changes]
    assert "BREAKING POST /machine/{machineId}/tags: operation removed" in told
    assert "ADDED    POST /net/{net}/machines: operation added" in told
    assert "ADDED    GET /machine/{machineId} -> 200: .weight added" in told
    assert "ADDED    GET /machine/{machineId} -> 200: .mood enum: asleep" in told
    assert {change.split(" -> ")[-1].split(": ", 1)[-1] for change in told if "operation" not in change} <= {
        ".weight added",
        ".mood enum: asleep",
        ".machines[].weight added",
        ".machines[].mood enum: asleep",
        ".parent.weight added",
        ".parent.mood enum: asleep",
    }
    assert report.provisional == ("createMachine",)
    assert set(report.new_texts) == {
        "operations.createMachine.summary",
        "operations.createMachine.description",
        "schemas.CreateMachineRequest.city",
        "schemas.Machine.weight",
        "schemas.UpdateMachineRequest.weight",
    }
    marks = node(description(imported), "createMachine")["x-sdk"]
    assert marks["provisional"] is True
    assert (marks["effect"], marks["retry_class"], marks["resource"]) == ("delete", "CREATE", "machines")
    assert (marks["flatten"], marks["returns"], marks["scopes"]) == (True, "object", [])


def test_a_new_reading_operation_is_proposed_as_safe(imported: Path) -> None:
    document = published()
    listed = {"type": "object", "properties": {"parts": {"type": "array", "items": {"type": "string"}}}}
    document["paths"]["/parts"] = {
        "get": {"operationId": "listParts", "tags": ["Spare Parts"], "responses": answer(listed)}
    }
    bring_in(imported, document)
    marks = node(description(imported), "listParts")["x-sdk"]
    assert (marks["effect"], marks["retry_class"], marks["resource"]) == ("read", "SAFE", "spare_parts")
    assert (marks["returns"], marks["unwrap"]) == ("list:parts", "parts")


def test_our_own_document_imports_as_itself(imported: Path) -> None:
    path = imported / "openapi" / "tailscale.yaml"
    before = path.read_bytes()
    report = import_document(str(path), imported)
    assert path.read_bytes() == before
    assert report.changes == ()


def test_an_overlay_action_about_a_removed_operation_is_named(imported: Path) -> None:
    document = published()
    del document["paths"]["/machine/{machineId}"]["delete"]
    report = bring_in(imported, document)
    assert [action.number for action in report.obsolete] == [4]
    assert "delete it" in report.needs_person[-1]


BROKEN_OVERLAYS: dict[str, tuple[str, str]] = {
    "matches nothing": ("- {target: $.components.schemas.Ghost, reason: x, update: {}}", "matches nothing"),
    "no reason": ("- {target: $.components.schemas.Machine, update: {}}", "no reason"),
    "no target": ("- {reason: x, remove: true}", "no target"),
    "nothing to do": ("- {target: $.components, reason: x}", "either update or remove"),
    "both": ("- {target: $.components, reason: x, remove: true, update: {}}", "either update or remove"),
    "no path": ("- {target: '$[', reason: x, remove: true}", "no JSONPath"),
    "scalar": ("- {target: $.openapi, reason: x, update: {a: 1}}", "only an object or a list"),
    "everything": ("- {target: $, reason: x, remove: true}", "whole document"),
}


@pytest.mark.parametrize("case", BROKEN_OVERLAYS)
def test_a_broken_overlay_touches_nothing(imported: Path, case: str) -> None:
    action, message = BROKEN_OVERLAYS[case]
    overlay = imported / "openapi" / "overlay.yaml"
    overlay.write_text(f"overlay: 1.0.0\nactions:\n{action}\n")
    before = files(imported)
    with pytest.raises(OverlayFailed, match=message):
        bring_in(imported, published())
    assert files(imported) == before


def test_an_overlay_removes_appends_and_merges(root: Path) -> None:
    (root / "openapi" / "overlay.yaml").write_text(
        "overlay: 1.0.0\nactions:\n"
        "- {target: $.components.schemas.Machine.properties.extra, reason: x, remove: true}\n"
        "- {target: '$.components.schemas.mood.enum[0]', reason: x, remove: true}\n"
        "- {target: $.components.schemas.mood.enum, reason: x, update: wild}\n"
        "- {target: $.components.schemas.Machine, reason: x, update: {properties: {id: {minLength: 3}}}}\n"
    )
    bring_in(root, published())
    schemas = description(root)["components"]["schemas"]
    assert "extra" not in schemas["Machine"]["properties"]
    assert schemas["Mood"]["enum"] == ["busy", "wild"]
    assert schemas["Machine"]["properties"]["id"]["minLength"] == 3


def _break(*path: str, value: Any = None) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        target = document
        for part in path[:-1]:
            target = target[part]
        target[path[-1]] = value

    return change


MACHINE = ("components", "schemas", "Machine")
BROKEN: dict[str, tuple[Callable[[Document], None], str]] = {
    "swagger": (_break("openapi", value="2.0"), "/openapi"),
    "no paths": (_break("paths", value=[]), "/paths"),
    "path item": (_break("paths", "/machine/{machineId}", value=3), "/paths/~1machine~1{machineId}"),
    "operation": (
        _break("paths", "/machine/{machineId}", "get", value="x"),
        "/paths/~1machine~1{machineId}/get",
    ),
    "no id": (
        _break("paths", "/machine/{machineId}", "get", "operationId"),
        "/paths/~1machine~1{machineId}/get/operationId",
    ),
    "same id": (
        _break("paths", "/machine/{machineId}", "get", "operationId", value="listMachines"),
        "/paths/~1machine~1{machineId}/get/operationId",
    ),
    "dangling": (
        _break(*MACHINE, "properties", "parent", value={"$ref": "#/components/schemas/Ghost"}),
        "/components/schemas/Machine/properties/parent/$ref",
    ),
    "circle": (
        _break(*MACHINE, value={"$ref": "#/components/schemas/Machine"}),
        "/paths/~1net~1{net}~1machines/get/responses/200/content/application~1json"
        "/schema/properties/machines/items/$ref",
    ),
    "outside": (
        _break(*MACHINE, "properties", "parent", value={"$ref": "https://example.com/x.json#/a"}),
        "/components/schemas/Machine/properties/parent/$ref",
    ),
    "file": (
        _break(*MACHINE, "properties", "parent", value={"$ref": "/etc/hostname"}),
        "/components/schemas/Machine/properties/parent/$ref",
    ),
    "hidden": (
        _break(
            *MACHINE,
            "properties",
            "example",
            value={"type": "array", "items": {"$ref": "https://example.com/x"}},
        ),
        "/components/schemas/Machine/properties/example/items/$ref",
    ),
    "required": (_break(*MACHINE, "required", value="id"), "/components/schemas/Machine/required"),
    "properties": (_break(*MACHINE, "properties", value=["id"]), "/components/schemas/Machine/properties"),
    "foreign server": (_break("servers", value=[{"url": "https://other.example.com"}]), "/servers"),
    "foreign paths": (_break("paths", value={}), "/paths"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_or_foreign_document_touches_nothing(imported: Path, case: str) -> None:
    change, where = BROKEN[case]
    document = published()
    change(document)
    before = files(imported)
    with pytest.raises(DocumentRefused) as caught:
        bring_in(imported, document)
    assert caught.value.json_pointer == where
    assert where in str(caught.value)
    assert files(imported) == before


UNREADABLE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is an object"),
    "list": (b"[1]", "is an object"),
    "cut": (b'{"openapi": ', "not JSON"),
    "yaml": (b"a: [", "neither JSON nor YAML"),
    "binary": (b"\xff\xfe{", "not UTF-8"),
    "large": (b" " * (SIZE_CAP + 1), "larger than"),
    "deep": (b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}", "bound|deep"),
    "aliases": (b"a: &a [x, x]\n" + b"".join(b"a%d: &a%d [*a%s, *a%s]\n" % (i, i, p, p) for i, p in enumerate([b"", *(b"%d" % n for n in range(40))])), "bound"),
    "endless": (b"a: &a [*a]", "bound"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_is_no_document_is_refused(case: str) -> None:
    data, message = UNREADABLE[case]
    with pytest.raises(DocumentRefused, match=message):
        parse_document(data)


@pytest.mark.parametrize(
    "source", ["http://api.example.com/spec", "ftp://api.example.com/spec", "file:///etc/hosts"]
)
def test_only_https_is_fetched(source: str) -> None:
    with pytest.raises(DocumentRefused, match="https"):
        read_document(source)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DocumentRefused, match=r"nothing-here\.json"):
        read_document(str(tmp_path / "nothing-here.json"))


@pytest.fixture
def serve() -> Any:
    """Answer every request on loopback with what the test sets: status, headers, body."""

    class Handler(http.server.BaseHTTPRequestHandler):
        reply: tuple[int, dict[str, str], bytes] = (404, {}, b"")

        def do_GET(self) -> None:
            status, headers, content = self.reply
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Stay quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()

    def answer_with(status: int, content: bytes = b"", **headers: str) -> str:
        Handler.reply = (status, headers, content)
        return f"http://127.0.0.1:{server.server_port}/spec"

    yield answer_with
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_url_is_imported(root: Path, serve: Callable[..., str]) -> None:
    import_document(serve(200, json.dumps(published()).encode()), root)
    assert node(description(root), "getMachine")["tags"] == ["Machines"]


def test_a_redirect_to_another_scheme_is_not_followed(serve: Callable[..., str]) -> None:
    with pytest.raises(DocumentRefused, match="no way to fetch"):
        read_document(serve(302, Location="http://192.0.2.1/spec"))


def test_a_failing_server_is_told(serve: Callable[..., str]) -> None:
    with pytest.raises(DocumentRefused, match="not fetched"):
        read_document(serve(503))
