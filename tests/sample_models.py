"""Samples of every model: what the service sends, and what a user puts in its place."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from tailscale_sdk import models
from tailscale_sdk._generated.types import Model

Json = dict[str, Any]
LATER = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
BY_NAME: dict[str, type[Model]] = {
    name: found
    for name in models.__dir__()
    if isinstance(found := getattr(models, name), type) and issubclass(found, Model)
}


def annotation(model: type[Model], attribute: str) -> str:
    """Return the annotation of an attribute, as written."""
    text: str = attrs.fields_dict(model)[attribute].type
    return text


def element_kind(kind: str) -> str | None:
    """Return what a list holds, or None for what is no list."""
    found = re.fullmatch(r"list\[(.*)\]", kind)
    return found[1] if found else None


def nested_in(kind: str) -> type[Model] | None:
    """Return the model a kind names, if any."""
    return next((BY_NAME[word] for word in re.findall(r"\w+", kind) if word in BY_NAME), None)


def value_kind(model: type[Model]) -> str:
    """Return the kind of the fields a model does not name."""
    kind = annotation(model, "additional_properties").removeprefix("dict[str, ").removesuffix("]")
    return kind.removesuffix(" | None")


def fits(value: Any, kind: str) -> bool:
    """Tell whether a value is of an annotated kind; a choice may be any text."""
    if (element := element_kind(kind)) is not None:
        return type(value) is list and all(item is not None and fits(item, element) for item in value)
    if (model := nested_in(kind)) is not None:
        return value is None or type(value) is model
    exact = {
        "bool": (bool,),
        "int": (int,),
        "float": (float, int),
        "datetime": (datetime,),
        "None": (type(None),),
    }
    return any(part == "Any" or type(value) in exact.get(part, (str,)) for part in kind.split(" | "))


def received(kind: str) -> Any:
    """Return what the service sends for a field of an annotated kind."""
    if (element := element_kind(kind)) is not None:
        return [received(element), received(element)]
    if (model := nested_in(kind)) is not None:
        return full_source(model)
    samples = {"datetime": "2026-07-01T10:00:00.123456789Z", "bool": True, "int": 41, "float": 2.5}
    return samples.get(kind.split(" | ")[0], f"some {kind[:12]}")


def full_source(model: type[Model]) -> Json:
    """Return an object with every field of a model, and fields no model knows."""
    fields = {spec.api_name: received(annotation(model, name)) for name, spec in model._fields.items()}
    unknown = value_kind(model)
    if unknown == "Any":
        return {**fields, "none": None, "one": 1, "list": ["a", {"deep": [None, 1.5]}]}
    return {**fields, "key": received(unknown), "other": received(unknown)}


def new_value(kind: str) -> tuple[Any, Any]:
    """Return a value a user assigns to a field of a kind, and what the API gets."""
    if (element := element_kind(kind)) is not None:
        value, written = new_value(element)
        return [value], [written]
    if (model := nested_in(kind)) is not None:
        return model.from_dict({"freshly": "made"}), {"freshly": "made"}
    if kind.startswith("datetime"):
        return LATER, "2031-05-06T07:08:09Z"
    samples: dict[str, Any] = {"bool": False, "int": 99, "float": 0.25}
    value = samples.get(kind.split(" | ")[0], "changed")
    return value, value


def fields_of_all() -> Iterator[tuple[type[Model], str]]:
    """Yield every field of every model."""
    for model in BY_NAME.values():
        for name in model._fields:
            yield model, name


def read_everything(value: Any) -> None:
    """Read every field at every depth."""
    for element in value if isinstance(value, list) else [value]:
        if isinstance(element, Model):
            for name in (*element._fields, "additional_properties"):
                read_everything(getattr(element, name))
            read_everything(list(element.additional_properties.values()))


def text(value: Any) -> str:
    """Write JSON in order, so that true is not 1 and no key moves."""
    return json.dumps(value)


touch = pytest.mark.parametrize("read", [lambda value: None, read_everything], ids=["unread", "read"])
