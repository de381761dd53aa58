"""What the templates need to know of each model and operation, joined from generator and document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from codegen.properties import Shape, UnsupportedProperty

# Decoders a model applies at once, with the usual kind tested in place: a call costs more than the rest.
_INLINED = {
    "decode_any": "_value",
    "decode_boolean": "_value if type(_value) is bool or _value is None else decode_boolean(_value)",
    "decode_choice": "decode_choice(_value) if _value is not None else None",
    "decode_identifier": "_value if type(_value) is str or _value is None else decode_identifier(_value)",
    "decode_integer": "_value if type(_value) is int or _value is None else decode_integer(_value)",
    "decode_moment": "decode_moment(_value) if _value else None",
    "decode_number": "_value if type(_value) is float or _value is None else decode_number(_value)",
    "decode_text": "_value if type(_value) is str or _value is None else decode_text(_value)",
    "decode_texts": "decode_texts(_value) if _value is not None else []",
}


@frozen
class FieldPlan:
    """Describe one attribute of a model."""

    api_name: str
    python_name: str
    annotation: str
    decoder: str
    secret: bool
    description: str

    @property
    def lazy(self) -> bool:
        """Tell whether the field is decoded when it is first touched, as nested objects are."""
        return self.decoder not in _INLINED

    @property
    def inlined(self) -> str:
        """Return the expression that decodes ``_value``."""
        return _INLINED[self.decoder]


@frozen
class ModelPlan:
    """Describe one model class."""

    name: str
    base: str
    docstring: str
    fields: tuple[FieldPlan, ...]
    extra: Shape
    imports: tuple[tuple[str, str], ...]

    @property
    def eager_fields(self) -> tuple[FieldPlan, ...]:
        """Return the fields that are decoded with the object."""
        return tuple(item for item in self.fields if not item.lazy)

    @property
    def api_names(self) -> str:
        """Return the set display of the declared API names; empty for a map."""
        return "{" + ", ".join(f'"{item.api_name}"' for item in self.fields) + "}" if self.fields else ""


@frozen
class Parameter:
    """Describe one argument of a method: where it goes and how it is typed."""

    api_name: str
    python_name: str
    accepts: str
    required: bool
    default: str
    description: str
    is_list: bool = False
    secret: bool = False

    @property
    def annotation(self) -> str:
        """Return the type of the argument; None stands for "not given"."""
        optional = not self.required and self.default == "None" and self.accepts != "Any"
        return f"{self.accepts} | None" if optional else self.accepts

    @property
    def value(self) -> str:
        """Return the expression that is sent."""
        return f'array("{self.python_name}", {self.python_name})' if self.is_list else self.python_name


@frozen
class Success:
    """Describe what an operation returns and the expression that reads it."""

    reads: str
    expression: str
    model: tuple[str, str] | None


@frozen
class OperationPlan:
    """Describe one operation completely: its request, its method and its answer."""

    operation_id: str
    method: str
    path: str
    module: str
    tag: str
    summary: str
    description: str
    x_sdk: Mapping[str, Any]
    path_parameters: tuple[Parameter, ...]
    query_parameters: tuple[Parameter, ...]
    header_parameters: tuple[Parameter, ...]
    body_parameters: tuple[Parameter, ...]
    body_expression: str | None
    policy_body: bool
    success: Success | None
    input_models: tuple[tuple[str, str], ...] = field(default=())

    @property
    def free_filters(self) -> bool:
        """Tell whether any field may be a query filter."""
        return bool(self.x_sdk.get("free_filters"))

    @property
    def keywords(self) -> tuple[Parameter, ...]:
        """Return the keyword arguments, required ones first."""
        found = [*self.body_parameters, *self.query_parameters, *self.header_parameters]
        if self.free_filters:
            text = "exact matches on top-level fields, all of which must hold; a list value must contain all given"
            found.append(
                Parameter(
                    "filters", "filters", "Mapping[str, str | bool | Sequence[str]]", False, "None", text
                )
            )
        names = [parameter.python_name for parameter in (*self.path_parameters, *found)]
        if len(set(names)) != len(names):
            raise UnsupportedProperty(f"{self.operation_id}: two arguments share a name: {sorted(names)}")
        return tuple(sorted(found, key=lambda parameter: not parameter.required))

    @property
    def secret_names(self) -> tuple[str, ...]:
        """Return the arguments whose values must not be shown."""
        return tuple(p.python_name for p in (*self.path_parameters, *self.keywords) if p.secret)

    @property
    def positional(self) -> tuple[Parameter, ...]:
        """Return the path arguments a caller gives by position: all but the tailnet."""
        return tuple(p for p in self.path_parameters if p.api_name != "tailnet")

    @property
    def has_tailnet(self) -> bool:
        """Tell whether the path names the tailnet."""
        return "{tailnet}" in self.path

    @property
    def path_expression(self) -> str:
        """Return the f-string that escapes each path value."""
        path = self.path
        for parameter in self.path_parameters:
            call = f"{{path_segment('{parameter.python_name}', {parameter.python_name})}}"
            path = path.replace(f"{{{parameter.api_name}}}", call)
        return f'f"{path}"' if self.path_parameters else f'"{path}"'

    @property
    def placed_arguments(self) -> tuple[tuple[str, Parameter], ...]:
        """Return every argument a caller gives with the place it is sent in."""
        return tuple(
            (place, parameter)
            for place, parameters in (
                ("path", self.positional),
                ("query", self.query_parameters),
                ("header", self.header_parameters),
                ("body", self.body_parameters),
            )
            for parameter in parameters
        )
