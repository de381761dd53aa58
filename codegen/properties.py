"""How a property of the description reads and is passed in Python: types, decoders, imports."""

from __future__ import annotations

import re
from typing import Any

from attrs import field, frozen
from openapi_python_client.parser.properties import (
    AnyProperty,
    BooleanProperty,
    DateTimeProperty,
    FloatProperty,
    IntProperty,
    ListProperty,
    LiteralEnumProperty,
    ModelProperty,
    NoneProperty,
    StringProperty,
    UnionProperty,
)

_WORD_BREAK = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z0-9]+")
_IDENTIFIER_NAME = re.compile(r"(^|[a-z0-9_])(id|Id|ID)$")
_KEYWORDS = {"from", "class", "global", "import", "is", "in", "not", "and", "or", "pass", "None"}


class UnsupportedProperty(Exception):
    """Say that the description uses a shape the templates do not know."""


def python_name(api_name: str, rename: str | None = None) -> str:
    """Return the snake_case name of an API name, as users type it: no trailing underscore."""
    name = rename or _WORD_BREAK.sub("_", api_name).strip("_").lower()
    if not name.isidentifier() or name in _KEYWORDS:
        raise UnsupportedProperty(f"{api_name!r} makes no Python name: give it x-sdk.rename")
    return name


@frozen
class Shape:
    """Describe one property: the type read, the type accepted, the decoder, the models named."""

    reads: str
    accepts: str
    decoder: str
    models: frozenset[tuple[str, str]] = field(default=frozenset())  # (module, class)
    is_list: bool = False
    is_null: bool = False


_SCALARS: dict[type, tuple[str, str, str]] = {
    StringProperty: ("str", "str", "decode_text"),
    IntProperty: ("int", "int", "decode_integer"),
    FloatProperty: ("float", "float", "decode_number"),
    BooleanProperty: ("bool", "bool", "decode_boolean"),
    DateTimeProperty: ("datetime", "datetime | str", "decode_moment"),
    AnyProperty: ("Any", "Any", "decode_any"),
}
_TEXTS = {"decode_text", "decode_choice"}


def shape_of(prop: Any) -> Shape:
    """Describe a property of the generator's document.

    Raises:
        UnsupportedProperty: the description uses a shape the templates have no decoder for.
    """
    if isinstance(prop, NoneProperty):
        return Shape("None", "None", "decode_any", is_null=True)
    if isinstance(prop, UnionProperty):
        return _union(prop)
    if isinstance(prop, ListProperty):
        return _list(prop)
    if isinstance(prop, LiteralEnumProperty):
        name, module = str(prop.class_info.name), str(prop.class_info.module_name)
        return Shape(name, name, "decode_choice", frozenset({(module, name)}))
    if isinstance(prop, ModelProperty):
        return _model(prop)
    if isinstance(prop, StringProperty) and _IDENTIFIER_NAME.search(api_name(prop)):
        return Shape("str", "str", "decode_identifier")
    for kind, (reads, accepts, decoder) in _SCALARS.items():
        if isinstance(prop, kind):
            return Shape(reads, accepts, decoder)
    raise UnsupportedProperty(f"{api_name(prop)}: no decoder for {type(prop).__name__}")


def api_name(prop: Any) -> str:
    """Return the API's own name of a property."""
    return str(prop.name.get_untrusted_value())


def is_map(prop: ModelProperty) -> bool:
    """Tell whether an object has no fields of its own: its keys are data."""
    return (
        not (prop.required_properties or prop.optional_properties) and prop.additional_properties is not None
    )


def _model(prop: ModelProperty) -> Shape:
    name, module = str(prop.class_info.name), str(prop.class_info.module_name)
    values = map_value(prop.additional_properties) if is_map(prop) else Shape("Any", "Any", "decode_any")
    return Shape(
        reads=name,
        accepts=f"{name} | Mapping[str, {values.accepts}]",
        decoder=f'nested("{module}", "{name}")',
        models=frozenset({(module, name)}) | values.models,
    )


def _list(prop: ListProperty) -> Shape:
    inner = shape_of(prop.inner_property)
    return Shape(
        reads=f"list[{inner.reads}]",
        accepts=f"Sequence[{inner.accepts}]",
        decoder="decode_texts" if inner.decoder in _TEXTS else f"list_of({inner.decoder})",
        models=inner.models,
        is_list=True,
    )


def _union(prop: UnionProperty) -> Shape:
    shapes = [shape_of(inner) for inner in prop.inner_properties]
    kept = [shape for shape in shapes if not shape.is_null]
    if {shape.reads for shape in kept} == {"str", "int"}:
        return Shape("str", "str", "decode_identifier")
    if len(kept) == 1:
        return kept[0]
    if any(shape.reads == "Any" for shape in kept):
        return Shape("Any", "Any", "decode_any")
    decoders = list(dict.fromkeys(shape.decoder for shape in kept))
    if "decode_text" in decoders:  # reads every choice too
        decoders = list(dict.fromkeys(name.replace("decode_choice", "decode_text") for name in decoders))
    return Shape(
        reads=" | ".join(dict.fromkeys(shape.reads for shape in kept)),
        accepts=" | ".join(dict.fromkeys(shape.accepts for shape in kept)),
        decoder=f"one_of({', '.join(decoders)})" if len(decoders) > 1 else decoders[0],
        models=frozenset().union(*(shape.models for shape in kept)),
    )


def allows_null(prop: Any) -> bool:
    """Tell whether the description lists null among the types of a property."""
    return isinstance(prop, UnionProperty) and any(
        isinstance(inner, NoneProperty) for inner in prop.inner_properties
    )


def map_value(prop: Any) -> Shape:
    """Describe the values of a map, where null has a meaning of its own when it is allowed."""
    shape = shape_of(prop)
    if not allows_null(prop) or shape.reads == "Any":
        return shape
    return Shape(
        reads=f"{shape.reads} | None",
        accepts=f"{shape.accepts} | None",
        decoder=f"nullable({shape.decoder})",
        models=shape.models,
    )
