"""The policy file by hand: text and ETag travel together, and nothing is overwritten blindly."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar

from attrs import evolve, field, frozen

from tailscale_sdk._generated.api.policy_file import (
    get_policy_file,
    preview_rule_matches,
    set_policy_file,
    validate_and_test_policy_file,
)
from tailscale_sdk._generated.models.preview_rule_matches_response import PreviewRuleMatchesResponse
from tailscale_sdk._generated.types import UnexpectedShape, WireRequest
from tailscale_sdk.calls.resource import AsyncResource, Resource
from tailscale_sdk.calls.settle import Settled, is_over, settle
from tailscale_sdk.calls.steps import Ask, Steps, in_doubt, run, run_async
from tailscale_sdk.errors import APIStatusError, HuJSONError, PolicyError, TailscaleError
from tailscale_sdk.policy import hujson
from tailscale_sdk.transport.decode import NotJSON, load_json
from tailscale_sdk.transport.reply import Reply

T = TypeVar("T")
HUJSON = "application/hujson"
_GAP = r"(?:[ \t\r\n]++|//[^\n]*+|/\*(?:[^*]++|\*(?!/))*+\*/)*+"
# White space and comments, alone or around an empty object.
_NOTHING = re.compile(rf"{_GAP}(?:\{{{_GAP}\}}{_GAP})?")


@frozen
class PolicyDocument:
    """Hold the policy file as stored, with the version tag a write needs.

    Attributes:
        text: HuJSON, byte for byte, comments included.
        etag: version tag without quotes; None when the service sent none.
        warnings: what the service warns of; asked for with ``details=True``.
        errors: what it finds wrong; asked for with ``details=True``.
    """

    text: str
    etag: str | None = None
    warnings: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


@frozen
class PolicyValidation:
    """Hold the service's verdict on a policy.

    Attributes:
        ok: True when the service found nothing to say.
        message: what it said, empty when ok.
        data: its entries, each with ``user``, ``errors``, ``warnings``.
    """

    ok: bool
    message: str = ""
    data: tuple[Mapping[str, Any], ...] = field(default=())


Policy = str | bytes | Mapping[str, Any] | PolicyDocument


def bare_etag(value: str) -> str:
    """Return a version tag without the quotes and the weak mark it may come with."""
    return value.strip().removeprefix("W/").strip('"')


def quote_etag(value: str) -> str:
    """Put exactly one pair of quotes around a version tag, whatever it came with."""
    bare = bare_etag(value)
    if not bare:
        raise PolicyError("if_match is empty: use the etag of policy.get(), or overwrite=True")
    return f'"{bare}"'


def _as_text(body: str | bytes) -> str:
    try:
        return body.decode("utf-8") if isinstance(body, bytes) else body.encode("utf-8").decode("utf-8")
    except UnicodeError:
        raise PolicyError("the policy is not text in UTF-8: read the file again with that encoding") from None


def as_body(policy: Policy) -> str | bytes | Mapping[str, Any]:
    """Return what is sent of a policy; an empty one is refused, the service would answer "passed" to it.

    Raises:
        PolicyError: there is nothing to check or to save, or it is no text.
    """
    body = policy.text if isinstance(policy, PolicyDocument) else policy
    if _NOTHING.fullmatch(_as_text(body)) if isinstance(body, str | bytes) else not body:
        raise PolicyError(
            "the policy is empty: send the whole text, an empty object is accepted by the service unchecked"
        )
    return body


def get_request(tailnet: str, *, details: bool) -> WireRequest:
    """Ask for the text itself, or for the envelope with warnings, which comes only without an Accept header."""
    request = get_policy_file.build_request(tailnet, details=True if details else None)
    return evolve(request, accept="" if details else HUJSON)


def set_request(tailnet: str, policy: Policy, if_match: str | None, *, overwrite: bool) -> WireRequest:
    """Build the write; a text needs the version it was based on.

    Raises:
        PolicyError: neither if_match nor overwrite was given.
    """
    if if_match is None and isinstance(policy, PolicyDocument):
        if_match = policy.etag
    if if_match is None and not overwrite:
        raise PolicyError(
            "refused before sending: pass if_match= with the etag of the policy.get() this edit is based on, "
            'if_match="ts-default" for a policy never changed, or overwrite=True to replace whatever is there'
        )
    match = None if overwrite or if_match is None else quote_etag(if_match)
    return evolve(set_policy_file.build_request(tailnet, body=as_body(policy), if_match=match), accept=HUJSON)


def set_steps(request: WireRequest, tailnet: str, max_retries: int) -> Steps[Any]:
    """Return the steps of a policy write: one that is unclear is settled by reading, and repeated at most once.

    A repeat carries the same If-Match, so it cannot land twice; it is what makes the outcome certain, because the
    first request may still be on its way when the policy is read.
    """
    write = Ask("setPolicyFile", request, parse_reply=read_document, answers=True)
    try:
        return (yield write)
    except TailscaleError as error:
        if not getattr(error, "ambiguous", False):
            raise
        unclear = error
    with in_doubt(unclear):
        settled, stored = yield from _look(request, tailnet)
        if settled is Settled.NOT_APPLIED and max_retries:
            try:
                return (yield evolve(write, settling=True))
            except TailscaleError as error:
                if _is_refusal(error):
                    raise
                if is_over(unclear) and getattr(error, "ambiguous", False):
                    # Of the two requests it is the repeat that may still be on its way.
                    unclear = error
            settled, stored = yield from _look(request, tailnet)
    if settled is Settled.APPLIED:
        return stored
    raise settled.error(unclear)


# What says something of the credential, the version or the load, and nothing of the policy.
_NO_VERDICTS = {401, 408, 412, 429}


def _is_refusal(error: TailscaleError) -> bool:
    """Tell whether the service will not have this policy, which holds for the one still on its way too."""
    return (
        isinstance(error, APIStatusError) and 400 <= error.status < 500 and error.status not in _NO_VERDICTS
    )


def _look(request: WireRequest, tailnet: str) -> Steps[tuple[Settled, PolicyDocument | None]]:
    """Compare what is stored now with what was sent."""
    asked = get_request(tailnet, details=False)
    try:
        stored = yield Ask("getPolicyFile", asked, parse_reply=read_document, settling=True)
    except TailscaleError:
        return Settled.UNKNOWN, None
    return settle(request, stored.text, stored.etag), stored


def validate_request(
    tailnet: str, policy: Policy | None, tests: Sequence[Mapping[str, Any]] | None
) -> WireRequest:
    """Build the check of one policy, or of the stored one with tests of the caller.

    Raises:
        PolicyError: both or neither were given.
    """
    if (policy is None) == (tests is None):
        raise PolicyError(
            "validate needs a policy, or tests to run against the stored policy: exactly one of them"
        )
    body = as_body(policy) if policy is not None else [dict(test) for test in tests or ()]
    if policy is None and not body:
        raise PolicyError("tests is empty: there is nothing to run")
    return validate_and_test_policy_file.build_request(tailnet, body=body)


def preview_request(
    tailnet: str, policy: Policy, *, kind: Literal["user", "ipport"], preview_for: str
) -> WireRequest:
    """Build the preview of the rules that match a user or an address."""
    return preview_rule_matches.build_request(
        tailnet, body=as_body(policy), type=kind, preview_for=preview_for
    )


def read_document(reply: Reply) -> PolicyDocument:
    """Read the stored text byte for byte; what is no policy, or only the beginning of one, is refused.

    Raises:
        NotJSON: a foreign page answered, or the text is cut.
        UnexpectedShape: it is no object.
    """
    text = reply.body.decode("utf-8")
    try:
        kind = hujson.parse(text).kind
    except HuJSONError as problem:
        raise NotJSON(cut=0 < len(text.rstrip()) <= problem.offset) from problem
    if kind != "object":
        raise UnexpectedShape("$", expected="object", found=kind)
    return _document(text, reply)


def _document(text: str, reply: Reply) -> PolicyDocument:
    etag = reply.headers.get("etag")
    return PolicyDocument(text, etag.removeprefix("W/").strip('"') if etag else None)


def read_details(reply: Reply) -> PolicyDocument:
    """Read the envelope that carries the text in base64 beside warnings and errors."""
    envelope = load_json(reply.body)
    if not isinstance(envelope, dict) or not isinstance(envelope.get("acl"), str):
        raise UnexpectedShape("$.acl", expected="string", found="something else")
    try:
        text = base64.b64decode(envelope["acl"], validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        raise UnexpectedShape("$.acl", expected="base64 text", found="something else") from None
    return evolve(
        _document(text, reply),
        warnings=_texts(envelope.get("warnings")),
        errors=_texts(envelope.get("errors")),
    )


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def read_validation(reply: Reply) -> PolicyValidation:
    """Read a verdict: status 200 with a message is a policy that failed."""
    content = load_json(reply.body) if reply.body.strip() else {}
    if content is None or content == {}:
        return PolicyValidation(ok=True)
    if not isinstance(content, dict):
        raise UnexpectedShape("$", expected="object", found=type(content).__name__)
    message, data = content.get("message"), content.get("data")
    entries = tuple(entry for entry in data if isinstance(entry, dict)) if isinstance(data, list) else ()
    text = message if isinstance(message, str) else ""
    return PolicyValidation(ok=not text and not entries, message=text, data=entries)


class PolicyFileCalls(Resource):
    """Read, check and save the policy file."""

    __slots__ = ()

    def get(self, *, details: bool = False, tailnet: str | None = None) -> PolicyDocument:
        """Read the policy file as stored.

        Args:
            details: also ask for warnings and errors.
            tailnet: tailnet id or name; the client's own tailnet when left out.

        Scope: ``policy_file:read``.

        Source: https://tailscale.com/api#tag/policyfile/get/tailnet/{tailnet}/acl
        """
        request = get_request(tailnet or self._channel.tailnet, details=details)
        reader = read_details if details else read_document
        return self._channel.call("getPolicyFile", request, parse_reply=reader)

    def set(
        self,
        policy: Policy,
        *,
        if_match: str | None = None,
        overwrite: bool = False,
        tailnet: str | None = None,
    ) -> PolicyDocument:
        """Replace the policy file, unless it changed since it was read.

        Args:
            policy: HuJSON text, sent byte for byte, JSON data, or an edited document of ``get()``.
            if_match: etag the edit is based on; ``ts-default`` for a policy never changed. A
                document brings its own.
            overwrite: replace whatever is there; nobody's edit in between is noticed.
            tailnet: tailnet id or name; the client's own tailnet when left out.

        Raises:
            PolicyError: no version was given, or the policy is empty; nothing was sent.
            PreconditionFailedError: the stored policy is another one by now.
            BadRequestError: the service refuses the policy; ``data`` holds its findings.

        Scope: ``policy_file``.

        Source: https://tailscale.com/api#tag/policyfile/post/tailnet/{tailnet}/acl
        """
        name = tailnet or self._channel.tailnet
        request = set_request(name, policy, if_match, overwrite=overwrite)
        steps = set_steps(request, name, self._channel.options.max_retries)
        document: PolicyDocument = self._channel.settled(run(self._channel, steps))
        return document

    def validate(
        self,
        policy: Policy | None = None,
        *,
        tests: Sequence[Mapping[str, Any]] | None = None,
        tailnet: str | None = None,
    ) -> PolicyValidation:
        """Check a policy and run its tests, or run other tests against the stored policy; nothing is stored.

        Args:
            policy: HuJSON text or JSON data to check.
            tests: tests to run against the stored policy instead.
            tailnet: tailnet id or name; the client's own tailnet when left out.

        Raises:
            PolicyError: both or neither were given, or there is nothing to check.

        Scope: ``policy_file:read``.

        Source: https://tailscale.com/api#tag/policyfile/post/tailnet/{tailnet}/acl/validate
        """
        request = validate_request(tailnet or self._channel.tailnet, policy, tests)
        return self._channel.call("validateAndTestPolicyFile", request, parse_reply=read_validation)

    def preview(
        self, policy: Policy, *, type: Literal["user", "ipport"], preview_for: str, tailnet: str | None = None
    ) -> PreviewRuleMatchesResponse:
        """Show which rules of a policy match a user or an address and port; nothing is stored.

        Args:
            policy: HuJSON text or JSON data.
            type: what preview_for names: ``user`` or ``ipport``.
            preview_for: login name, or ``address:port``.
            tailnet: tailnet id or name; the client's own tailnet when left out.

        Scope: ``policy_file:read``.

        Source: https://tailscale.com/api#tag/policyfile/post/tailnet/{tailnet}/acl/preview
        """
        request = preview_request(
            tailnet or self._channel.tailnet, policy, kind=type, preview_for=preview_for
        )
        return self._channel.call("previewRuleMatches", request, preview_rule_matches.parse_success)


class AsyncPolicyFileCalls(AsyncResource):
    """Read, check and save the policy file."""

    __slots__ = ()

    async def get(self, *, details: bool = False, tailnet: str | None = None) -> PolicyDocument:
        request = get_request(tailnet or self._channel.tailnet, details=details)
        reader = read_details if details else read_document
        return await self._channel.call("getPolicyFile", request, parse_reply=reader)

    async def set(
        self,
        policy: Policy,
        *,
        if_match: str | None = None,
        overwrite: bool = False,
        tailnet: str | None = None,
    ) -> PolicyDocument:
        name = tailnet or self._channel.tailnet
        request = set_request(name, policy, if_match, overwrite=overwrite)
        steps = set_steps(request, name, self._channel.options.max_retries)
        document: PolicyDocument = self._channel.settled(await run_async(self._channel, steps))
        return document

    async def validate(
        self,
        policy: Policy | None = None,
        *,
        tests: Sequence[Mapping[str, Any]] | None = None,
        tailnet: str | None = None,
    ) -> PolicyValidation:
        request = validate_request(tailnet or self._channel.tailnet, policy, tests)
        return await self._channel.call("validateAndTestPolicyFile", request, parse_reply=read_validation)

    async def preview(
        self, policy: Policy, *, type: Literal["user", "ipport"], preview_for: str, tailnet: str | None = None
    ) -> PreviewRuleMatchesResponse:
        request = preview_request(
            tailnet or self._channel.tailnet, policy, kind=type, preview_for=preview_for
        )
        return await self._channel.call("previewRuleMatches", request, preview_rule_matches.parse_success)


for _name in ("get", "set", "validate", "preview"):
    getattr(AsyncPolicyFileCalls, _name).__doc__ = getattr(PolicyFileCalls, _name).__doc__
