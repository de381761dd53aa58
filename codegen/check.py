"""What a person still has to add to the description before it may be released."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from codegen.canonical import to_yaml
from codegen.document import DocumentRefused, operations, parse_document, pointer
from codegen.importer import DESCRIPTION, LOCK, OVERLAY
from codegen.lock import counts, file_digest, read_lock, structure_digest
from codegen.overlay import OverlayFailed, load_overlay
from codegen.reading import validate
from codegen.wording import shared_phrases, unworded

EFFECTS = frozenset({"read", "write", "delete"})
RETRY_CLASSES = frozenset({"SAFE", "IDEM", "COND", "CREATE", "EFFECT"})
SCOPES_MODES = frozenset({"all", "any", "by_type", "field", "none"})
# A name that holds one of these is a secret until the description says that it is none.
_SECRET_NAME = re.compile(r"secret|token|credential|password", re.IGNORECASE)
_MANDATORY = ("resource", "method", "effect", "retry_class", "scopes", "scopes_mode", "returns")
_ALLOWED = {"effect": EFFECTS, "retry_class": RETRY_CLASSES, "scopes_mode": SCOPES_MODES}


class Finding(NamedTuple):
    """Name one thing that is missing, and where."""

    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


def check(root: Path) -> list[Finding]:
    """List everything in ``openapi/`` that lacks curation or does not fit together.

    Args:
        root: the checkout.

    Returns:
        One finding per thing; none when the description may be released.
    """
    try:
        text = (root / DESCRIPTION).read_bytes()
        document = parse_document(text)
        validate(document)
    except OSError as problem:
        return [Finding(str(DESCRIPTION), problem.strerror or "cannot be read")]
    except DocumentRefused as problem:
        return [Finding(f"{DESCRIPTION}#{problem.json_pointer}", problem.message)]
    return [
        *(Finding(key, "has no text of ours yet") for key in unworded(document)),
        *_check_operations(document),
        *_check_secrets(document),
        *_check_lock(document, root),
        *_check_overlay(document, root),
        *(
            []
            if to_yaml(document).encode() == text
            else [Finding(str(DESCRIPTION), "not in canonical form: import")]
        ),
    ]


def _check_operations(document: dict[str, Any]) -> Iterator[Finding]:
    effects = {e.node["operationId"]: e.node.get("x-sdk", {}).get("effect") for e in operations(document)}
    methods: dict[tuple[Any, Any], str] = {}
    for endpoint in operations(document):
        name, marks = endpoint.node["operationId"], endpoint.node.get("x-sdk")
        place = f"operation {name}"
        if not isinstance(marks, dict):
            yield Finding(place, "no x-sdk")
            continue
        if marks.get("provisional"):
            yield Finding(place, "x-sdk is provisional: confirm each value, then delete the mark")
        for key in _MANDATORY:
            if key not in marks:
                yield Finding(place, f"x-sdk.{key} is missing")
            elif key in _ALLOWED and marks[key] not in _ALLOWED[key]:
                yield Finding(
                    place, f"x-sdk.{key}: {marks[key]!r} is none of {', '.join(sorted(_ALLOWED[key]))}"
                )
        other = methods.setdefault((marks.get("resource"), marks.get("method")), name)
        if other != name:
            yield Finding(place, f"{marks.get('resource')}.{marks.get('method')} is already {other}")
        yield from _check_body(place, endpoint.node, marks)
        if marks.get("effect") != "read" and not marks.get("provisional"):
            yield from _check_change(place, marks.get("change"), effects)


def _check_body(place: str, node: Mapping[str, Any], marks: Mapping[str, Any]) -> Iterator[Finding]:
    ways = [way for way in ("flatten", "body", "manual") if marks.get(way)]
    if "requestBody" in node and len(ways) != 1:
        yield Finding(place, "x-sdk needs one of flatten, body, manual: how is the body passed?")


def _check_change(place: str, change: Any, effects: Mapping[str, Any]) -> Iterator[Finding]:
    if not isinstance(change, Mapping) or not {"read", "fields", "inverse"} <= set(change):
        yield Finding(
            place, "x-sdk.change needs read, fields and inverse: how is the change verified and undone?"
        )
        return
    if change["read"] != "none" and effects.get(change["read"]) != "read":
        yield Finding(place, f"x-sdk.change.read: {change['read']} is no reading operation")
    if change["inverse"] != "none" and effects.get(change["inverse"], "read") == "read":
        yield Finding(place, f"x-sdk.change.inverse: {change['inverse']} is no changing operation")
    if not isinstance(change["fields"], list):
        yield Finding(place, "x-sdk.change.fields is a list")


def _check_secrets(document: Mapping[str, Any]) -> Iterator[Finding]:
    for schema, node in document["components"].get("schemas", {}).items():
        for field, child in node.get("properties", {}).items():
            if _SECRET_NAME.search(field) and "secret" not in child.get("x-sdk", {}):
                yield Finding(
                    f"schemas.{schema}.{field}", "looks like a secret: say x-sdk.secret true or false"
                )
    for endpoint in operations(document):
        for parameter in endpoint.node.get("parameters", []):
            name = parameter.get("name", "")
            if _SECRET_NAME.search(name) and "secret" not in parameter.get("x-sdk", {}):
                place = f"operations.{endpoint.node['operationId']}.{name}"
                yield Finding(place, "looks like a secret: say x-sdk.secret true or false")


def _check_lock(document: Mapping[str, Any], root: Path) -> Iterator[Finding]:
    lock = read_lock(root / LOCK)
    if not lock:
        yield Finding(str(LOCK), "missing: import a published document")
        return
    for kind, number in counts(document).items():
        if lock["counts"].get(kind) != number:
            yield Finding(
                str(LOCK), f"counts {lock['counts'].get(kind)} {kind}, the description has {number}"
            )
    if lock["structure_sha256"] != structure_digest(document):
        yield Finding(
            str(DESCRIPTION), "its structure was changed without an import: use the overlay, then import"
        )
    if lock["overlay_sha256"] != file_digest(root / OVERLAY):
        yield Finding(str(OVERLAY), "changed since the last import: import again")


def _check_overlay(document: Mapping[str, Any], root: Path) -> Iterator[Finding]:
    try:
        actions = load_overlay(root / OVERLAY)
    except OverlayFailed as problem:
        yield Finding(str(OVERLAY), str(problem))
        return
    for action in actions:
        path, method = action.operation() or (None, None)
        if path is not None and (
            path not in document["paths"] or (method or "") not in {"", *document["paths"][path]}
        ):
            yield Finding(
                str(OVERLAY),
                f"action {action.number} is about {pointer((path, method or ''))}, which is gone",
            )


def verify_wording(document: Mapping[str, Any], published: Mapping[str, Any]) -> list[Finding]:
    """List our texts that share eight consecutive words with a published document.

    Args:
        document: ours, as read.
        published: the other, as read.
    """
    shared = shared_phrases(document, published)
    return [Finding(place, f'shares "{words}" with the published document') for place, words in shared]
