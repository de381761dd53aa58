"""The words of the description: where each text stands, taken over by stable key, compared with others' words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen

from codegen.bodies import TEXT_OF
from codegen.document import operations, pointer

MARKER = "TODO(wording)"
SHARED_WORDS = 8  # so many consecutive words in common are taken for copied text
_WORD = re.compile(r"[a-z0-9]+(?:['’.-][a-z0-9]+)*")
_PROSE_KEYS = frozenset({"description", "summary", "title", "termsOfService"})
_DATA_KEYS = frozenset({"properties", "patternProperties", "schemas", "parameters", "responses", "headers"})


@frozen
class Slot:
    """Describe one place for a text, and the marks of ours that stand beside it."""

    key: str  # stable: does not move with the order or depth of the document
    holder: dict[str, Any]
    field: str  # "summary" or "description"
    fallback: str | None = None  # key of the text this one was split from
    rule: str | None = None  # text by rule; None asks a person
    optional: bool = False


def slots(document: dict[str, Any]) -> Iterator[Slot]:
    """Walk all texts of a normalised document."""
    for tag in document.get("tags", []):
        yield Slot(f"tags.{tag['name']}", tag, "description")
    for endpoint in operations(document):
        yield from _operation_slots(endpoint.node)
    components = document.get("components", {})
    for name, scheme in components.get("securitySchemes", {}).items():
        yield Slot(f"securitySchemes.{name}", scheme, "description", rule=_ACCESS)
    for name, parameter in components.get("parameters", {}).items():
        yield Slot(f"parameters.{name}", parameter, "description")
    for name, response in components.get("responses", {}).items():
        yield Slot(f"responses.{name}", response, "description", rule=_ERROR)
    for name, schema in components.get("schemas", {}).items():
        yield from _schema_slots(name, schema)


_ACCESS = (
    "An API access token, or one obtained for an OAuth client or a federated identity, sent as bearer token."
)
_ERROR = "The request was refused or failed; the body says why where there is one."
_ANSWER = "The request was carried out; the body is the answer."
_DONE = "The request was carried out; a body, if any, says nothing."


def _operation_slots(node: dict[str, Any]) -> Iterator[Slot]:
    name = node["operationId"]
    yield Slot(f"operations.{name}.summary", node, "summary")
    yield Slot(f"operations.{name}.description", node, "description")
    for parameter in node.get("parameters", []):
        if "$ref" not in parameter:
            yield Slot(f"operations.{name}.{parameter['in']}.{parameter['name']}", parameter, "description")
    if "requestBody" in node:
        yield Slot(f"operations.{name}.body", node["requestBody"], "description", optional=True)
    for status, answer in node["responses"].items():
        if "$ref" not in answer:
            rule = _ANSWER if "content" in answer else _DONE
            yield Slot(f"operations.{name}.{status}", answer, "description", rule=rule)
            for header, value in answer.get("headers", {}).items():
                yield Slot(f"operations.{name}.{status}.{header}", value, "description")


def _schema_slots(name: str, schema: dict[str, Any]) -> Iterator[Slot]:
    base = schema.get(TEXT_OF)
    yield Slot(f"schemas.{name}", schema, "description", fallback=f"schemas.{base}", rule=_by_name(name))
    for field, child in schema.get("properties", {}).items():
        yield Slot(f"schemas.{name}.{field}", child, "description", fallback=f"schemas.{base}.{field}")


def _by_name(name: str) -> str | None:
    """Describe the body of an operation by what it is: its name holds the operation's."""
    for ending, text in (("Request", "Request body of ``{}``."), ("Response", "Answer of ``{}``.")):
        if name.endswith(ending):
            operation = name.removesuffix(ending)
            return text.format(operation[:1].lower() + operation[1:])
    return None


def merge_wording(document: dict[str, Any], known: dict[str, Any]) -> list[str]:
    """Fill every text of a document from a known one, in place; marks beside a text come with it.

    Returns:
        The keys that are new and now hold the marker.
    """
    present = {slot.key: slot.holder for slot in slots(known)}
    new = []
    for slot in slots(document):
        sources = [present[key] for key in (slot.key, slot.fallback) if key in present]
        source = sources[0] if sources else {}
        text = next((origin[slot.field] for origin in sources if origin.get(slot.field)), None)
        if text is None and not slot.optional:
            text = slot.rule or MARKER
        if text is not None:
            slot.holder[slot.field] = text
        if text == MARKER:
            new.append(slot.key)
        if slot.field == "description" and "x-sdk" in source and "operationId" not in source:
            slot.holder["x-sdk"] = source["x-sdk"]
    for schema in document["components"].get("schemas", {}).values():
        schema.pop(TEXT_OF, None)
    return new


def unworded(document: dict[str, Any]) -> list[str]:
    """Return the keys of all texts that are missing or still hold the marker."""
    return [
        slot.key
        for slot in slots(document)
        if not slot.optional and (not slot.holder.get(slot.field) or MARKER in slot.holder[slot.field])
    ]


def shared_phrases(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Find texts of ours that share eight consecutive words with another document's prose.

    Returns:
        JSON pointer of our text and the shared words.
    """
    foreign = {phrase for _, text in _texts(theirs, ()) for phrase in _phrases(text)}
    found = []
    for where, text in _texts(ours, ()):
        shared = next((phrase for phrase in _phrases(text) if phrase in foreign), None)
        if shared:
            found.append((where, " ".join(shared)))
    return found


def _phrases(text: str) -> Iterator[tuple[str, ...]]:
    words = _WORD.findall(text.lower())
    return (tuple(words[index : index + SHARED_WORDS]) for index in range(len(words) - SHARED_WORDS + 1))


def _texts(node: Any, where: tuple[Any, ...], names: bool = False) -> Iterator[tuple[str, str]]:
    """Walk all prose: texts under prose keywords, and any extension's."""
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from _texts(item, (*where, index))
    if not isinstance(node, Mapping):
        return
    for key, value in node.items():
        prose = not names and (key in _PROSE_KEYS or key.startswith("x-"))
        if isinstance(value, str):
            if prose or (names and not key.startswith("$")):
                yield pointer((*where, key)), value
        else:
            yield from _texts(value, (*where, key), names=key in _DATA_KEYS or (prose and key != "x-sdk"))
