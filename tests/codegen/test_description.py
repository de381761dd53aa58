"""openapi/ itself: valid, complete, curated, in step with its lock, and different from upstream only on purpose."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from jsonpath_ng.ext.parser import parse
from jsonschema import Draft202012Validator

from codegen.check import check, verify_wording
from codegen.diff import compare, operation_shape
from codegen.document import load_document, operations, parse_document, resolve
from codegen.importer import compare_sources
from codegen.lock import counts, read_lock
from codegen.normalise import PASSES, normalise
from codegen.overlay import Action, apply_overlay, load_overlay
from codegen.reading import read_document
from codegen.schemas import references
from codegen.structure import structure

Document = dict[str, Any]

# Overlay actions that name things or mark them: they change no structure, so a comparison cannot see them.
_NAMING = {"name", "rename"}


@pytest.fixture(scope="module")
def ours() -> Document:
    return load_document(Path(__file__).parents[2] / "openapi" / "tailscale.yaml")


@pytest.fixture(scope="module")
def upstream(reference_data: Path) -> Document:
    return read_document(str(reference_data / "tailscale-api-upstream.json"))


def test_nothing_is_left_for_a_person(checkout: Path) -> None:
    assert [str(finding) for finding in check(checkout)] == []


def test_the_lock_counts_what_is_there(ours: Document, checkout: Path) -> None:
    lock = read_lock(checkout / "openapi" / "upstream.lock.json")
    assert lock["counts"] == counts(ours)
    assert lock["counts"]["operations"] == len(list(operations(ours))) == len(lock["operations"]) == 90
    assert lock["counts"]["parameters"] == 131 - 3, (
        "two Accept headers and one filter pattern are no parameters"
    )


def test_every_reason_is_given(checkout: Path) -> None:
    actions = load_overlay(checkout / "openapi" / "overlay.yaml")
    assert all(len(action.reason) > 15 for action in actions)
    assert all(step.reason for step in PASSES)
    assert len({step.name for step in PASSES}) == len(PASSES)


def test_every_failure_reads_the_same(ours: Document) -> None:
    for endpoint in operations(ours):
        failures = {status for status in endpoint.node["responses"] if not status.startswith("2")}
        assert failures == {"4XX", "5XX"}
    assert "required" not in ours["components"]["schemas"]["Error"]


def test_writes_name_how_they_are_undone(ours: Document) -> None:
    marks = {e.node["operationId"]: e.node["x-sdk"] for e in operations(ours)}
    changing = {name: mark["change"] for name, mark in marks.items() if mark["effect"] != "read"}
    assert len(changing) == 53
    assert not [name for name, mark in marks.items() if mark["effect"] == "read" and "change" in mark]
    for name, change in changing.items():
        if change["read"] != "none":
            assert marks[change["read"]]["effect"] == "read", name
        else:
            assert marks[name]["retry_class"] in {"CREATE", "EFFECT"}, name


def test_compared_fields_exist_in_what_is_read(ours: Document) -> None:
    nodes = {e.node["operationId"]: e.node for e in operations(ours)}
    for name, node in nodes.items():
        change = node["x-sdk"].get("change", {"fields": []})
        for field in set(change["fields"]) - {"*"}:
            content = nodes[change["read"]]["responses"]["200"]["content"]["application/json"]
            assert field in resolve(ours, content["schema"])["properties"], f"{name}: {field}"


def test_secrets_are_marked(ours: Document) -> None:
    schemas = ours["components"]["schemas"]
    marked = {
        f"{name}.{field}"
        for name, node in schemas.items()
        for field, child in node.get("properties", {}).items()
        if child.get("x-sdk", {}).get("secret")
    }
    assert marked >= {
        "Key.key",
        "Webhook.secret",
        "OAuthApp.clientSecret",
        "PostureIntegration.clientSecret",
        "CreatePostureIntegrationRequest.clientSecret",
        "UpdatePostureIntegrationRequest.clientSecret",
        "SetLogStreamingConfigurationRequest.token",
        "SetLogStreamingConfigurationRequest.s3SecretAccessKey",
        "SetLogStreamingConfigurationRequest.gcsCredentials",
        "DeviceInvite.inviteUrl",
        "UserInvite.inviteUrl",
        "AcceptDeviceInviteRequest.invite",
    }


def test_operations_are_the_decided_ones(ours: Document, reference_data: Path) -> None:
    lines = (reference_data / "operations.tsv").read_text().splitlines()
    columns = lines[0].split("\t")
    decided = {
        row[0]: dict(zip(columns, row, strict=True)) for row in (line.split("\t") for line in lines[1:])
    }
    assert {e.node["operationId"] for e in operations(ours)} == set(decided)
    for endpoint in operations(ours):
        name, marks = endpoint.node["operationId"], endpoint.node["x-sdk"]
        row = {"operation_id": name, "http_method": endpoint.method.upper(), "path": endpoint.path}
        row |= {
            key: marks[key]
            for key in ("resource", "method", "effect", "retry_class", "returns", "scopes_mode")
        }
        assert row | {"scopes": " ".join(marks["scopes"])} == decided[name]


def test_no_sentence_is_upstreams(ours: Document, upstream: Document) -> None:
    assert [str(finding) for finding in verify_wording(ours, upstream)] == []


def test_copied_sentences_would_be_found(ours: Document, upstream: Document) -> None:
    taken = upstream["paths"]["/device/{deviceId}/name"]["post"]["description"]
    copied = parse_document(json.dumps(ours).encode())
    copied["paths"]["/device/{deviceId}/name"]["post"]["description"] = taken
    places = [finding.place for finding in verify_wording(copied, upstream)]
    assert places == ["/paths/~1device~1{deviceId}~1name/post/description"]


@pytest.mark.untraced
def test_upstream_differs_by_the_overlay_only(checkout: Path, ours: Document, upstream: Document) -> None:
    """Undo the actions: ours then differs in the operations they are about, and in no other."""
    actions = load_overlay(checkout / "openapi" / "overlay.yaml")
    bare = structure(upstream)
    everything = copy.deepcopy(bare)
    places = {}
    for action in actions:
        places[action.number] = matched_places(everything, action)
        apply_overlay(everything, [action])
    assert compare(normalise(everything), ours) == []
    held = parts_by_operation(bare, everything)
    about = {
        number: frozenset(name for name, parts in held.items() if parts & found)
        for number, found in places.items()
    }
    silent = []
    wanted = shapes(ours)
    for group in apart(about):
        without = copy.deepcopy(bare)
        apply_overlay(without, [action for action in actions if action.number not in group])
        found = shapes(normalise(without))
        differing = {name for name in wanted | found if wanted.get(name) != found.get(name)}
        assert differing <= frozenset().union(*(about[number] for number in group))
        silent += [number for number in group if not about[number] & differing]
    for number in silent:
        action = actions[number - 1]
        marks = action.update or {}
        naming = set(marks) == {"x-sdk"} and set(marks["x-sdk"]) <= _NAMING
        assert naming or marks == {"readOnly": True}, f"{action} has no effect"


def shapes(document: Document) -> dict[str, Any]:
    return {
        f"{endpoint.method.upper()} {endpoint.path}": operation_shape(document, endpoint)
        for endpoint in operations(document)
    }


def matched_places(document: Document, action: Action) -> set[tuple[str, ...]]:
    """Return the components, operations or whole paths in which an action matches."""
    found = set()
    for match in parse(action.target).find(document):
        keys: list[str] = []
        while match.context is not None:
            keys.insert(0, str(getattr(match.path, "fields", [""])[0]))
            match = match.context
        found.add(tuple(keys[1:3]))
    return found


def parts_by_operation(*documents: Document) -> dict[str, set[tuple[str, ...]]]:
    """Return, for each operation, the places whose change may change it."""
    parts: dict[str, set[tuple[str, ...]]] = {}
    for document in documents:
        for path, method, node in operations(document):
            shared = document["paths"][path].get("parameters", [])
            own = {(path,), (path, method), (path, "parameters")}
            parts.setdefault(f"{method.upper()} {path}", set()).update(
                own | references([node, shared], document)
            )
    return parts


def apart(about: dict[int, frozenset[str]]) -> list[list[int]]:
    """Group actions of which no two are about one operation, so that each difference has one cause."""
    groups: list[list[int]] = []
    for number, names in about.items():
        for group in groups:
            if all(names.isdisjoint(about[other]) for other in group):
                group.append(number)
                break
        else:
            groups.append([number])
    return groups


def test_the_command_compares_upstream_with_ours(checkout: Path, reference_data: Path) -> None:
    published = reference_data / "tailscale-api-upstream.json"
    told = {
        str(change)
        for change in compare_sources(str(published), str(checkout / "openapi" / "tailscale.yaml"))
    }
    assert "CHANGED  GET /tailnet/{tailnet}/keys -> query parameter all required: True -> False" in told
    assert "ADDED    GET /tailnet/{tailnet}/acl -> 200: header ETag added" in told
    assert not any("operation removed" in line or "operation added" in line for line in told)


def test_real_bodies_are_what_the_description_says(ours: Document, reference_data: Path) -> None:
    folder = reference_data / "api-bodies"
    nodes = {e.node["operationId"]: e.node for e in operations(ours)}
    # Fixtures that are made to be wrong: no identity at all, or an old policy under another media type.
    tolerated = {"listTailnetDevices__ts2otel_L81.json"}
    seen = 0
    for operation_id, bodies in json.loads((folder / "index.json").read_text()).items():
        for body in bodies:
            if body["file"] in tolerated or "json" not in body["content_type"]:
                continue
            content = (folder / body["file"]).read_bytes().strip()
            status = "200" if body["status"] < 300 else "4XX"
            answer = resolve(ours, nodes[operation_id]["responses"][status]).get("content", {})
            if not content or body["content_type"] != "application/json" or "application/json" not in answer:
                continue
            schema = {**answer["application/json"]["schema"], "components": ours["components"]}
            faults = [
                fault.message for fault in Draft202012Validator(schema).iter_errors(json.loads(content))
            ]
            assert faults == [], body["file"]
            seen += 1
    assert seen > 30
