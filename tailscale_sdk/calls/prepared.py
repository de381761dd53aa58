"""Calls that are built now and sent later: the same bytes, whoever looks at them in between."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import orjson
from attrs import evolve, field, frozen

from tailscale_sdk._generated.endpoints import ENDPOINTS, Endpoint
from tailscale_sdk._generated.operations import OPERATIONS
from tailscale_sdk._generated.types import WireRequest, encode_json
from tailscale_sdk.calls import policy_file
from tailscale_sdk.calls.creation import Creation, creation_steps, mark, marked_key_steps
from tailscale_sdk.calls.steps import Ask, Steps
from tailscale_sdk.transport.clock import Clock
from tailscale_sdk.transport.options import Options
from tailscale_sdk.transport.reply import Reply

MASK = "***"
_POLICY_ARGUMENTS = {
    "getPolicyFile": {"details"},
    "setPolicyFile": {"policy", "if_match", "overwrite"},
    "validateAndTestPolicyFile": {"policy", "tests"},
    "previewRuleMatches": {"policy", "type", "preview_for"},
}


@frozen
class PreparedCall:
    """Hold one call ready to be sent; nothing of it is sent by making it.

    Attributes:
        operation_id: id of the operation.
        tailnet: tailnet it is for.
        arguments: keywords of the SDK's method as JSON values.
        method: HTTP method.
        path: path below ``/api/v2``, ids filled in.
        query: query values.
        body: the exact bytes of the body, None without one.
        secret_fields: arguments whose values must not be shown or stored.
        nonce: mark a creation carries.
    """

    operation_id: str
    tailnet: str
    arguments: Mapping[str, Any] = field(repr=False)
    request: WireRequest = field(repr=False)
    secret_fields: tuple[str, ...] = ()
    nonce: str | None = None

    @property
    def method(self) -> str:
        """Return the HTTP method."""
        return self.request.method

    @property
    def path(self) -> str:
        """Return the path below ``/api/v2``."""
        return self.request.path

    @property
    def query(self) -> tuple[tuple[str, str], ...]:
        """Return the query values."""
        return self.request.query

    @property
    def body(self) -> bytes | None:
        """Return the exact bytes of the body."""
        return self.request.content

    @property
    def body_sha256(self) -> str:
        """Return the hash of the body."""
        return hashlib.sha256(self.body or b"").hexdigest()

    def digest(self) -> str:
        """Return a hash of what is asked for: operation, tailnet and canonical arguments."""
        return digest_of(self.operation_id, self.tailnet, self.arguments)

    def shown(self) -> dict[str, Any]:
        """Return the request as a person or a model may see it: secrets are masked."""
        body: Any = None
        if self.body is not None:
            try:
                body = orjson.loads(self.body)
            except ValueError:
                body = self.body.decode("utf-8", "replace")
        api_names = {
            argument.api_name
            for name, argument in ENDPOINTS[self.operation_id].arguments.items()
            if name in self.secret_fields
        }
        if isinstance(body, dict):
            body = {name: MASK if name in api_names else value for name, value in body.items()}
        headers = dict(self.request.headers)
        shown = {
            "method": self.method,
            "path": self.path,
            "query": dict(self.query),
            "headers": headers,
            "body": body,
        }
        return {name: value for name, value in shown.items() if value not in (None, {}, "")}


def digest_of(operation_id: str, tailnet: str, arguments: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the canonical form of a call's arguments.

    Args:
        operation_id: id of the operation.
        tailnet: tailnet it is for.
        arguments: keywords of the SDK's method as JSON values.
    """
    canonical = orjson.dumps([operation_id, tailnet, canonical_json(arguments)], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(canonical).hexdigest()


def canonical_json(value: Any) -> Any:
    """Return plain JSON values of arguments that may hold models, times and tuples."""
    return orjson.loads(encode_json(value))


def endpoint_module(operation_id: str) -> Any:
    """Return the generated module of an operation."""
    endpoint = ENDPOINTS[operation_id]
    return import_module(f"tailscale_sdk._generated.api.{endpoint.tag}.{endpoint.module}")


def prepare(
    own_tailnet: str,
    operation_id: str,
    arguments: Mapping[str, Any],
    mark_with: Callable[[], str | None] = lambda: None,
) -> PreparedCall:
    """Build a call without sending anything.

    Args:
        own_tailnet: tailnet of the client.
        operation_id: id of the operation.
        arguments: keywords of the SDK's method, path values included; ``tailnet`` for another tailnet.
        mark_with: gives the mark of a created key; None for no mark.

    Raises:
        ValueError: there is no such operation, or a value cannot be sent.
        TypeError: an argument is missing or unknown; the text lists what is accepted.
        PolicyError: a policy write names no version it is based on.
    """
    if operation_id not in OPERATIONS:
        raise ValueError(f"there is no operation {operation_id!r}: see tailscale_sdk.OPERATIONS")
    given = {name: value for name, value in arguments.items() if value is not None}
    tailnet = given.pop("tailnet", own_tailnet)
    endpoint = ENDPOINTS[operation_id]
    _check_arguments(operation_id, endpoint, given)
    request = _build(operation_id, endpoint, tailnet, given)
    nonce = mark_with() if operation_id == "createKey" else None
    if nonce is not None:
        marked = mark(request, nonce)
        request, nonce = (marked, nonce) if marked is not None else (request, None)
    secret = tuple(name for name, argument in endpoint.arguments.items() if argument.secret and name in given)
    return PreparedCall(operation_id, tailnet, _as_json(given), request, secret, nonce)


def _as_json(given: Mapping[str, Any]) -> dict[str, Any]:
    plain = {
        name: value.decode() if isinstance(value, bytes) else getattr(value, "text", value)
        for name, value in given.items()
    }
    found: dict[str, Any] = canonical_json(plain)
    return found


def _check_arguments(operation_id: str, endpoint: Endpoint, given: Mapping[str, Any]) -> None:
    accepted = _POLICY_ARGUMENTS.get(operation_id) or set(endpoint.arguments)
    if operation_id == "listTailnetDevices":
        accepted = accepted | {"filters"}
    unknown = sorted(set(given) - accepted)
    missing = [
        name
        for name, argument in endpoint.arguments.items()
        if argument.required and name not in given and operation_id not in _POLICY_ARGUMENTS
    ]
    if unknown or missing:
        problems = [f"unknown {', '.join(unknown)}"] if unknown else []
        problems += [f"missing {', '.join(missing)}"] if missing else []
        raise TypeError(
            f"{operation_id}: {'; '.join(problems)}. It takes {', '.join(sorted(accepted)) or 'nothing'}"
        )


def _build(operation_id: str, endpoint: Endpoint, tailnet: str, given: Mapping[str, Any]) -> WireRequest:
    if operation_id in _POLICY_ARGUMENTS:
        return _build_policy(operation_id, tailnet, given)
    build = endpoint_module(operation_id).build_request
    leading = [tailnet] if endpoint.has_tailnet else []
    positional = {
        name
        for name, parameter in inspect.signature(build).parameters.items()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    }
    path = [
        given[name]
        for name in inspect.signature(build).parameters
        if name in positional and name != "tailnet"
    ]
    keywords = {name: value for name, value in given.items() if name not in positional}
    request: WireRequest = build(*leading, *path, **keywords)
    return request


def _build_policy(operation_id: str, tailnet: str, given: Mapping[str, Any]) -> WireRequest:
    if operation_id == "getPolicyFile":
        return policy_file.get_request(tailnet, details=bool(given.get("details")))
    if operation_id == "setPolicyFile":
        overwrite = bool(given.get("overwrite"))
        return policy_file.set_request(tailnet, given["policy"], given.get("if_match"), overwrite=overwrite)
    if operation_id == "validateAndTestPolicyFile":
        return policy_file.validate_request(tailnet, given.get("policy"), given.get("tests"))
    return policy_file.preview_request(
        tailnet, given["policy"], kind=given["type"], preview_for=given["preview_for"]
    )


def sending_steps(
    call: PreparedCall, options: Options, clock: Clock, *, settling: bool = False
) -> Steps[Any]:
    """Return the steps that send a prepared call and read its answer, as the method of the SDK does.

    Args:
        call: what is sent.
        options: of the client.
        clock: of the client.
        settling: it finds out what became of an unclear write.
    """
    operation, request = OPERATIONS[call.operation_id], call.request
    if call.operation_id == "setPolicyFile":
        return policy_file.set_steps(request, call.tailnet, options.max_retries)
    reader = _policy_reader(call.operation_id, details=bool(call.arguments.get("details")))
    if reader is not None:
        return _asking(Ask(call.operation_id, request, parse_reply=reader, settling=settling))
    parse = getattr(endpoint_module(call.operation_id), "parse_success", None)
    if operation.retry_class == "CREATE" and parse is not None:
        creation = Creation(call.operation_id, request, parse, options, clock, clock.now())
        if call.nonce is not None:
            plain = _build(call.operation_id, ENDPOINTS[call.operation_id], call.tailnet, call.arguments)
            return marked_key_steps(creation, plain, call.nonce)
        return creation_steps(evolve(creation, options=evolve(options, mark_creation=False)))
    return _asking(Ask(call.operation_id, request, parse, settling=settling))


def _policy_reader(operation_id: str, *, details: bool) -> Callable[[Reply], Any] | None:
    if operation_id == "getPolicyFile":
        return policy_file.read_details if details else policy_file.read_document
    return policy_file.read_validation if operation_id == "validateAndTestPolicyFile" else None


def _asking(ask: Ask) -> Steps[Any]:
    return (yield ask)
