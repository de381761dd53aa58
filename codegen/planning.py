"""Join the generator's parsed document with ours: one plan per model and per operation."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from codegen.plans import FieldPlan, ModelPlan, OperationPlan, Parameter, Success
from codegen.properties import (
    Shape,
    UnsupportedProperty,
    allows_null,
    api_name,
    is_map,
    map_value,
    python_name,
    shape_of,
)

_WIDTH = 100


def plan_model(model: Any, document: Mapping[str, Any]) -> ModelPlan:
    """Describe a model of the generator's document, with the secret marks of ours."""
    name = str(model.class_info.name)
    raw_fields = _raw_schema(document, name).get("properties", {})
    imports: set[tuple[str, str]] = set()
    fields = []
    for prop in [*(model.required_properties or []), *(model.optional_properties or [])]:
        shape, key = shape_of(prop), api_name(prop)
        raw = raw_fields.get(key, {})
        marks = raw.get("x-sdk", {})
        imports |= shape.models
        optional = shape.is_list or shape.reads == "Any"
        fields.append(
            FieldPlan(
                api_name=key,
                python_name=python_name(key, marks.get("rename")),
                annotation=shape.reads if optional else f"{shape.reads} | None",
                decoder=shape.decoder,
                secret=bool(marks.get("secret")),
                description=raw.get("description", ""),
            )
        )
    extra = map_value(model.additional_properties) if model.additional_properties else map_any()
    imports |= extra.models
    fields.sort(
        key=lambda item: list(raw_fields).index(item.api_name) if item.api_name in raw_fields else 999
    )
    return ModelPlan(
        name=name,
        base=f'MapModel["{extra.reads}"]' if is_map(model) and extra.reads != "Any" else _base(model),
        docstring=_model_docstring(_raw_schema(document, name).get("description", name), fields),
        fields=tuple(fields),
        extra=extra,
        imports=tuple(sorted(imports - {(str(model.class_info.module_name), name)})),
    )


def _base(model: Any) -> str:
    return "MapModel[Any]" if is_map(model) else "Model"


def map_any() -> Shape:
    """Describe values of any kind."""
    return Shape("Any", "Any", "decode_any")


def _raw_schema(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = document["components"]["schemas"].get(name, {})
    return found


def _model_docstring(description: str, fields: list[FieldPlan]) -> str:
    lines = [textwrap.fill(description.strip(), _WIDTH)]
    if fields:
        lines += ["", "Attributes:"]
        lines += [_entry(item.python_name, item.description) for item in fields]
        lines.append("")
    return "\n".join(lines)


def _entry(name: str, description: str) -> str:
    text = f"{name}: {description.strip()}" if description else name
    return textwrap.fill(text, _WIDTH, initial_indent="    ", subsequent_indent="        ")


def plan_operation(endpoint: Any, tag: str, document: Mapping[str, Any]) -> OperationPlan:
    """Describe an endpoint of the generator's document, joined with ours by path and method.

    Raises:
        UnsupportedProperty: names collide, or a shape has no decoder.
    """
    operation, shared, path = _find_operation(document, str(endpoint.name), endpoint)
    x_sdk = operation["x-sdk"]
    described = [_resolve(document, parameter) for parameter in (*shared, *operation.get("parameters", []))]
    raw = {(parameter["in"], parameter["name"]): parameter for parameter in described}
    imports: set[tuple[str, str]] = set()

    def parameters(location: str, props: list[Any]) -> tuple[Parameter, ...]:
        return tuple(_parameter(prop, raw[(location, api_name(prop))], x_sdk, imports) for prop in props)

    path_parameters = parameters("path", endpoint.path_parameters)
    query = parameters("query", endpoint.query_parameters)
    headers = parameters("header", endpoint.header_parameters)
    policy_body = len(endpoint.bodies) > 1
    body, expression = _body(endpoint, operation, document, imports, policy_body)
    return OperationPlan(
        operation_id=operation["operationId"],
        method=str(endpoint.method).upper(),
        path=path,
        module=str(endpoint.name),
        tag=tag,
        summary=operation["summary"],
        description=operation.get("description", ""),
        x_sdk=x_sdk,
        path_parameters=path_parameters,
        query_parameters=query,
        header_parameters=headers,
        body_parameters=body,
        body_expression=expression,
        policy_body=policy_body,
        success=_success(endpoint, x_sdk),
        input_models=tuple(sorted(imports)),
    )


def _find_operation(document: Mapping[str, Any], name: str, endpoint: Any) -> tuple[Any, list[Any], str]:
    """Join by method and path: the generator has rewritten the placeholders, so compare their shape."""
    wanted = _path_shape(str(endpoint.path.get_untrusted_value()))
    for path, item in document["paths"].items():
        if _path_shape(path) == wanted and endpoint.method in item:
            operation = item[endpoint.method]
            if "x-sdk" not in operation:
                raise UnsupportedProperty(f"{operation.get('operationId', name)} has no x-sdk")
            return operation, item.get("parameters", []), path
    raise UnsupportedProperty(f"{name}: no such path in the document")


def _path_shape(path: str) -> tuple[str, ...]:
    return tuple("{}" if part.startswith("{") else part for part in path.split("/"))


def _resolve(document: Mapping[str, Any], node: Any) -> Any:
    while isinstance(node, Mapping) and "$ref" in node:
        target: Any = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def _parameter(
    prop: Any, raw: Mapping[str, Any], x_sdk: Mapping[str, Any], imports: set[tuple[str, str]]
) -> Parameter:
    shape, key = shape_of(prop), api_name(prop)
    imports |= shape.models
    marks = raw.get("x-sdk", {})
    default = raw.get("schema", {}).get("default")
    rename = marks.get("rename") or x_sdk.get("rename", {}).get(key)
    return Parameter(
        api_name=key,
        python_name=python_name(key, rename),
        accepts=shape.accepts,
        required=bool(raw.get("required")) and default is None,
        default=repr(default),
        description=raw.get("description", ""),
        is_list=shape.is_list,
        secret=bool(marks.get("secret")),
    )


def _body(
    endpoint: Any,
    operation: Mapping[str, Any],
    document: Mapping[str, Any],
    imports: set[tuple[str, str]],
    policy: bool,
) -> tuple[tuple[Parameter, ...], str | None]:
    """Decide how a body is passed: nothing, field by field, as one keyword, or as a policy."""
    if not endpoint.bodies:
        return (), None
    request = _resolve(document, operation["requestBody"])
    required = bool(request.get("required"))
    if policy:
        text = "HuJSON text, sent byte for byte, or JSON data"
        return (
            Parameter("body", "body", "str | bytes | Mapping[str, Any] | Sequence[Any]", True, "None", text),
        ), None
    prop, x_sdk = endpoint.bodies[0].prop, operation["x-sdk"]
    if x_sdk.get("flatten"):
        fields = _flat_fields(prop, document, x_sdk, imports)
        pairs = ", ".join(f'("{item.api_name}", {item.value})' for item in fields)
        return fields, f"body_fields({pairs})"
    if "body" not in x_sdk:
        raise UnsupportedProperty(f"{operation['operationId']}: x-sdk needs flatten or body")
    shape, keyword = shape_of(prop), x_sdk["body"]
    imports |= shape.models
    text = request.get("description", "")
    parameter = Parameter(keyword, keyword, shape.accepts, required, "None", text, shape.is_list)
    return (parameter,), parameter.value


def _flat_fields(
    prop: Any, document: Mapping[str, Any], x_sdk: Mapping[str, Any], imports: set[tuple[str, str]]
) -> tuple[Parameter, ...]:
    schema = _raw_schema(document, str(prop.class_info.name))
    raw_fields, required = schema.get("properties", {}), schema.get("required", [])
    fields = []
    for inner in [*(prop.required_properties or []), *(prop.optional_properties or [])]:
        key = api_name(inner)
        raw = raw_fields[key]
        described = raw if "description" in raw else _resolve(document, raw)
        fields.append(
            _parameter(
                inner,
                {
                    "required": key in required,
                    "x-sdk": raw.get("x-sdk", {}),
                    "description": described.get("description", ""),
                },
                x_sdk,
                imports,
            )
        )
    order = list(raw_fields)
    return tuple(sorted(fields, key=lambda item: order.index(item.api_name)))


def _success(endpoint: Any, x_sdk: Mapping[str, Any]) -> Success | None:
    """Choose how the first JSON success answer is read; HuJSON answers belong to manual methods."""
    for response in endpoint.responses.patterns:
        low, high = response.status_code.range
        if not 200 <= low <= high < 300 or response.source["attribute"] != "response.json()":
            continue
        if x_sdk.get("returns", "object") == "None":
            return None
        return _read(response.prop, x_sdk.get("unwrap"))
    return None


def _read(prop: Any, unwrap: str | None) -> Success:
    if unwrap is not None:
        inner = [
            p
            for p in (*_non_null(prop).required_properties, *_non_null(prop).optional_properties)
            if api_name(p) == unwrap
        ]
        if not inner:
            raise UnsupportedProperty(f"x-sdk.unwrap names {unwrap!r}, which the answer does not have")
        return _read_list(inner[0], f', "{unwrap}"')
    shape = shape_of(prop)
    if shape.is_list:
        return _read_list(prop, "")
    if not shape.models:
        return Success("Any", "decode_any(data)", None)
    model = _model_of(prop)
    null = ", null=True" if allows_null(prop) else ""
    return Success(model[1], f"parse_model(data, {model[1]}{null})", model)


def _non_null(prop: Any) -> Any:
    inner = getattr(prop, "inner_properties", None)
    return next(p for p in inner if not shape_of(p).is_null) if inner else prop


def _model_of(prop: Any) -> tuple[str, str]:
    info = _non_null(prop).class_info
    return str(info.module_name), str(info.name)


def _read_list(prop: Any, key: str) -> Success:
    element = _non_null(prop).inner_property
    shape = shape_of(element)
    if shape.decoder.startswith("nested("):
        model = _model_of(element)
        return Success(f"list[{model[1]}]", f"parse_models(data, {model[1]}{key})", model)
    return Success(f"list[{shape.reads}]", f"parse_values(data, {shape.decoder}{key})", None)
