"""Import a newer published document: its structure comes in, its sentences stay out."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Any

from attrs import frozen

from codegen.canonical import to_yaml
from codegen.diff import Change, compare
from codegen.document import (
    DocumentRefused,
    load_document,
    operations,
    parse_document,
    resolve,
)
from codegen.lock import build_lock, lock_text, read_lock
from codegen.normalise import normalise
from codegen.overlay import Action, apply_overlay, load_overlay
from codegen.reading import read_document, validate
from codegen.structure import structure
from codegen.wording import merge_wording

DESCRIPTION = Path("openapi/tailscale.yaml")
OVERLAY = Path("openapi/overlay.yaml")
LOCK = Path("openapi/upstream.lock.json")

_WORD_BREAK = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z0-9]+")
_INFO = {"title": "Tailscale API", "version": "v2"}


@frozen
class ImportReport:
    """Tell what an import changed and what it leaves to a person."""

    changes: tuple[Change, ...]
    new_texts: tuple[str, ...]  # stable keys that now hold the marker
    provisional: tuple[str, ...]  # operations whose x-sdk is a proposal
    obsolete: tuple[Action, ...]  # overlay actions about operations that are gone
    document: dict[str, Any]

    @property
    def needs_person(self) -> tuple[str, ...]:
        """Return one line for each thing that somebody has to write, decide or delete."""
        return (
            *(f"{name}: confirm the proposed x-sdk" for name in self.provisional),
            *(f"{key}: write the text" for key in self.new_texts),
            *(f"{action}: delete it, the operation is gone" for action in self.obsolete),
        )


def import_document(source: str, root: Path, *, today: dt.date | None = None) -> ImportReport:
    """Bring the description up to a published document.

    Args:
        source: file or https URL of an OpenAPI 3.1 document, JSON or YAML.
        root: the checkout; ``openapi/`` below it is read and written.
        today: date to note as reconciled, when there is a structural change.

    Raises:
        DocumentRefused: the document is broken or describes another API; no file is touched.
        OverlayFailed: an action of the overlay matches nothing or has no reason; no file is touched.
    """
    published = read_document(source)
    known = _known(root)
    _refuse_foreign(published, known)
    document, obsolete = reconcile(published, root, known)
    provisional = _take_over(document, known)
    new_texts = merge_wording(document, known)
    text = to_yaml(document)
    validate(parse_document(text.encode()))
    changes = compare(known, document) if known["paths"] else []
    lock = build_lock(document, structure(published), read_lock(root / LOCK), root / OVERLAY, today=today)
    _write(root / DESCRIPTION, text)
    _write(root / LOCK, lock_text(lock))
    return ImportReport(tuple(changes), tuple(new_texts), tuple(provisional), tuple(obsolete), document)


def reconcile(
    published: dict[str, Any], root: Path, known: dict[str, Any]
) -> tuple[dict[str, Any], list[Action]]:
    """Return the structure of a document as ours would write it, overlay and passes applied.

    A document that carries our marks has been through the overlay already and skips it.

    Raises:
        OverlayFailed: an action of the overlay matches nothing or has no reason.
    """
    bare = structure(published)
    obsolete: list[Action] = []
    if not is_ours(published):
        present = {(endpoint.path, endpoint.method) for endpoint in operations(bare)}
        gone = frozenset((endpoint.path, endpoint.method) for endpoint in operations(known)) - present
        obsolete = apply_overlay(bare, load_overlay(root / OVERLAY), gone)
    return normalise(bare), obsolete


def compare_sources(old: str, new: str) -> list[Change]:
    """Compare two documents; a published one against ours goes through the passes first.

    Args:
        old: file or https URL.
        new: file or https URL.

    Raises:
        DocumentRefused: one of them is broken.
    """
    before, after = read_document(old), read_document(new)
    if is_ours(before) != is_ours(after):
        before, after = (doc if is_ours(doc) else normalise(structure(doc)) for doc in (before, after))
    return compare(before, after)


def is_ours(document: dict[str, Any]) -> bool:
    """Tell whether a document is a description of this project: its operations carry our marks."""
    return any("x-sdk" in endpoint.node for endpoint in operations(document))


def _known(root: Path) -> dict[str, Any]:
    path = root / DESCRIPTION
    return (
        load_document(path) if path.exists() else {"info": _INFO, "tags": [], "paths": {}, "components": {}}
    )


def _refuse_foreign(published: dict[str, Any], known: dict[str, Any]) -> None:
    if not known["paths"]:
        return
    ours = {server["url"] for server in known.get("servers", [])}
    theirs = {server.get("url") for server in published.get("servers", [])}
    if not ours & theirs:
        raise DocumentRefused("/servers", f"describes another API: no server {', '.join(sorted(ours))}")
    names = {endpoint.node["operationId"] for endpoint in operations(known)}
    shared = names & {endpoint.node["operationId"] for endpoint in operations(published)}
    if 2 * len(shared) < len(names):
        raise DocumentRefused("/paths", f"holds only {len(shared)} of the {len(names)} known operations")


def _take_over(document: dict[str, Any], known: dict[str, Any]) -> list[str]:
    """Give each operation the marks it had; propose some for the new ones and name them."""
    marks = {endpoint.node["operationId"]: endpoint.node.get("x-sdk") for endpoint in operations(known)}
    resources: dict[str, str] = {}
    for endpoint in operations(known):
        resources.setdefault(endpoint.node["tags"][0], endpoint.node.get("x-sdk", {}).get("resource", ""))
    document["info"] = known["info"]
    document["tags"] = document["tags"] or [{"name": tag} for tag in sorted(_used_tags(document))]
    taken = {(old["resource"], old["method"]) for old in marks.values() if old}
    for endpoint in operations(document):
        name = endpoint.node["operationId"]
        old = marks.get(name)
        endpoint.node["x-sdk"] = old or propose(document, endpoint.method, endpoint.node, resources, taken)
    return [e.node["operationId"] for e in operations(document) if e.node["x-sdk"].get("provisional")]


def _used_tags(document: dict[str, Any]) -> set[str]:
    return {tag for endpoint in operations(document) for tag in endpoint.node["tags"]}


def propose(
    document: dict[str, Any],
    method: str,
    node: dict[str, Any],
    resources: dict[str, str],
    taken: set[tuple[str, str]],
) -> dict[str, Any]:
    """Propose marks for an operation that nobody has judged yet: careful ones, marked provisional."""
    tag = (node["tags"] or ["other"])[0]
    resource = resources.get(tag) or _snake(tag)
    name = _snake(node["operationId"])
    while (resource, name) in taken:
        name += "_2"
    taken.add((resource, name))
    answer = _answer(document, node)
    array = [key for key, value in answer.get("properties", {}).items() if "array" in value.get("type", [])]
    wrapped = array if len(answer.get("properties", {})) == 1 else []
    returns = "object" if answer else "None"
    if "array" in answer.get("type", []):
        returns = "list"
    marks = {
        **node.get("x-sdk", {}),
        "resource": resource,
        "method": name,
        "provisional": True,
        "effect": "read" if method == "get" else "delete",
        "retry_class": "SAFE" if method == "get" else "CREATE",
        "scopes": [],
        "scopes_mode": "unknown",
        "returns": f"list:{wrapped[0]}" if wrapped else returns,
    }
    if wrapped:
        marks["unwrap"] = wrapped[0]
    if "requestBody" in node:
        marks |= _body_marks(document, node)
    return marks


def _answer(document: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    for status, response in node["responses"].items():
        media = resolve(document, response).get("content", {}).get("application/json")
        if status.startswith("2") and media:
            found: dict[str, Any] = resolve(document, media["schema"])
            return found
    return {}


def _body_marks(document: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    content = resolve(document, node["requestBody"])["content"]
    schema = resolve(document, content["application/json"]["schema"]) if "application/json" in content else {}
    return {"flatten": True} if schema.get("properties") else {"body": "body"}


def _snake(name: str) -> str:
    return _WORD_BREAK.sub("_", name).strip("_").lower()


def _write(path: Path, text: str) -> None:
    """Replace a file in one step: a reader sees the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
