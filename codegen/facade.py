"""Write the resources: one class per area of the API, one method per operation."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen
from jinja2 import Environment

from codegen.plans import OperationPlan, Parameter
from codegen.properties import UnsupportedProperty

_WIDTH = 100
_REFERENCE = "https://tailscale.com/api"

# Hand-written methods: operation -> (module and class of the mixin, without the Async prefix).
_MANUAL_MIXINS = {"policy": ("calls.policy_file", "PolicyFileCalls")}
# Hand-written methods beside the generated ones, which are no operations of their own.
_FURTHER_MIXINS = {"logging": ("calls.log_streams", "LogStreamCalls")}


@frozen
class Method:
    """Describe one generated method."""

    plan: OperationPlan
    name: str
    signature: str
    returns: str
    docstring: str
    sender: str
    call: str


@frozen
class Kind:
    """Describe the asynchronous or the synchronous shell of a resource."""

    class_name: str
    raw_name: str
    base: str
    channel: str
    define: str
    await_: str
    raw: str
    docstring: str


def class_name(resource: str) -> str:
    """Return the class of a resource: ``oauth_apps`` is ``OAuthApps``."""
    special = {"oauth": "OAuth", "dns": "DNS"}
    return "".join(special.get(word, word.capitalize()) for word in resource.split("_"))


def render_resources(
    environment: Environment, plans: list[OperationPlan], tags: Mapping[str, str]
) -> dict[str, str]:
    """Render every resource module and the namespace, by file name."""
    by_resource: dict[str, list[OperationPlan]] = {}
    for plan in plans:
        by_resource.setdefault(plan.x_sdk["resource"], []).append(plan)
    files = {
        f"{resource}.py": _render_resource(environment, resource, members, tags)
        for resource, members in by_resource.items()
    }
    about = {
        resource: tags.get(members[0].tag, class_name(resource)) for resource, members in by_resource.items()
    }
    files["_namespace.py"] = environment.get_template("namespace.py.jinja").render(
        resources=[
            {"name": name, "class_name": class_name(name), "about": _first_sentence(about[name])}
            for name in by_resource
        ]
    )
    files["__init__.py"] = '"""The areas of the API, each with an asynchronous and a synchronous class."""\n'
    return files


def _render_resource(
    environment: Environment, resource: str, plans: list[OperationPlan], tags: Mapping[str, str]
) -> str:
    names = [plan.x_sdk["method"] for plan in plans]
    if len(set(names)) != len(names):
        raise UnsupportedProperty(f"{resource}: two operations share a method name: {sorted(names)}")
    generated = [plan for plan in plans if not plan.x_sdk.get("manual")]
    manual = resource in _MANUAL_MIXINS and len(generated) < len(plans)
    if len(generated) < len(plans) and not manual:
        raise UnsupportedProperty(f"{resource}: x-sdk.manual without a hand-written module")
    shadowed = {name for name in names if name in {"list", "set"}}
    methods = [_method(plan, shadowed) for plan in generated]
    mixins = _MANUAL_MIXINS if manual else _FURTHER_MIXINS
    module, mixin = mixins.get(resource, ("calls.resource", "Resource"))
    base_imports = [f"from ..{module} import Async{mixin}, {mixin}"]
    about = _first_sentence(tags.get(plans[0].tag, class_name(resource)))
    return environment.get_template("resource.py.jinja").render(
        title=class_name(resource),
        base_imports=base_imports,
        imports=sorted({model for plan in generated for model in _models(plan)}),
        kinds=[_kind(resource, mixin, about, asynchronous) for asynchronous in (True, False)],
        methods=methods,
        raw_methods=names,
    )


def _models(plan: OperationPlan) -> Iterable[tuple[str, str]]:
    yield from plan.input_models
    if plan.success is not None and plan.success.model is not None:
        yield plan.success.model


def _kind(resource: str, mixin: str, about: str, asynchronous: bool) -> Kind:
    name = class_name(resource)
    prefix = "Async" if asynchronous else ""
    return Kind(
        class_name=f"{prefix}{name}",
        raw_name=f"{prefix}Raw{name}",
        base=f"{prefix}{mixin}",
        channel=f"{prefix}Channel",
        define="async def" if asynchronous else "def",
        await_="await " if asynchronous else "",
        raw="async_raw" if asynchronous else "raw",
        docstring=about,
    )


def _method(plan: OperationPlan, shadowed: set[str]) -> Method:
    returns = plan.success.reads if plan.success is not None else "None"
    keywords = [_declare(p) for p in plan.keywords]
    if plan.has_tailnet:
        keywords.append("tailnet: str | None = None")
    parts = [
        "self",
        *(f"{p.python_name}: {p.accepts}" for p in plan.positional),
        *(["*", *keywords] if keywords else []),
    ]
    return Method(
        plan=plan,
        name=plan.x_sdk["method"],
        signature=_spell(", ".join(parts), shadowed),
        returns=_spell(returns, shadowed),
        docstring=_docstring(plan),
        sender="_create" if plan.x_sdk["retry_class"] == "CREATE" and plan.success else "_channel.call",
        call=_call(plan),
    )


def _spell(annotation: str, shadowed: set[str]) -> str:
    """Name the builtin where a method of the class hides it."""
    for name in shadowed:
        annotation = annotation.replace(f"{name}[", f"builtins.{name}[")
    return annotation


def _declare(parameter: Parameter) -> str:
    default = "" if parameter.required else f" = {parameter.default}"
    return f"{parameter.python_name}: {parameter.annotation}{default}"


def _call(plan: OperationPlan) -> str:
    own_tailnet = "self._channel.tailnet if tailnet is None else tailnet"
    arguments = [own_tailnet if p.api_name == "tailnet" else p.python_name for p in plan.path_parameters]
    arguments += [f"{p.python_name}={p.python_name}" for p in plan.keywords]
    parse = ", _endpoint.parse_success" if plan.success is not None else ""
    return f'"{plan.operation_id}", _endpoint.build_request({", ".join(arguments)}){parse}'


def _docstring(plan: OperationPlan) -> str:
    lines = [textwrap.fill(_sentence(plan.summary), _WIDTH)]
    if plan.description:
        lines += ["", textwrap.fill(plan.description.strip(), _WIDTH)]
    arguments = [*plan.positional, *plan.keywords]
    if arguments or plan.has_tailnet:
        lines += ["", "Args:", *(_argument(parameter) for parameter in arguments)]
    if plan.has_tailnet:
        lines.append("    tailnet: tailnet id or name; the client's own tailnet when left out.")
    if plan.x_sdk["scopes"]:
        lines += ["", textwrap.fill(f"Scope: {_scopes(plan.x_sdk)}.", _WIDTH)]
    lines += [
        "",
        f"Source: {_REFERENCE}#tag/{plan.tag.replace('_', '')}/{plan.method.lower()}{plan.path}",
        "",
    ]
    return "\n".join(lines).replace("\\", "\\\\").replace('"""', '\\"""')


def _sentence(text: str) -> str:
    text = text.strip().rstrip(".")
    return f"{text}."


def _first_sentence(text: str) -> str:
    return _sentence(" ".join(text.split()).split(". ")[0]).replace('"', "'")


def _argument(parameter: Parameter) -> str:
    text = " ".join((parameter.description or "see the API reference").split())
    line = f"{parameter.python_name}: {text}"
    return textwrap.fill(line, _WIDTH, initial_indent="    ", subsequent_indent="        ")


def _scopes(x_sdk: Mapping[str, Any]) -> str:
    joined = {"any": " or ", "by_type": " or ", "field": ", "}.get(x_sdk.get("scopes_mode", "all"), " and ")
    text = joined.join(f"``{scope}``" for scope in x_sdk["scopes"])
    return {"by_type": f"{text}, by type", "field": f"{text}, by field"}.get(
        x_sdk.get("scopes_mode", "all"), text
    )
