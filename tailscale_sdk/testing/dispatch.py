"""One request through the embedded tailnet: route, authenticate, check scopes, handle, note."""

from __future__ import annotations

from collections.abc import Mapping
from threading import RLock
from typing import Any
from urllib.parse import parse_qsl

import orjson
from attrs import frozen

from tailscale_sdk.testing.access import authenticate, check_operation, read_token
from tailscale_sdk.testing.exchange import HANDLERS, NO_BODY, Answer, Call, Refusal
from tailscale_sdk.testing.routing import Match, build_router
from tailscale_sdk.testing.state import Tailnet
from tailscale_sdk.testing.tokens import PATHS, answer_token

JSON_TYPE = "application/json"


@frozen
class Request:
    """Hold one HTTP request as it came.

    Attributes:
        method: HTTP method, upper case.
        raw_path: path as sent, percent-encoded, without the query.
        query: query string as sent.
        headers: names in lower case.
        body: exact bytes.
    """

    method: str
    raw_path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@frozen
class Response:
    """Hold what goes on the wire."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    answer: Answer


class Dispatcher:
    """Answer requests one at a time, so that every write is seen whole."""

    def __init__(self, tailnet: Tailnet) -> None:
        self.tailnet = tailnet
        self.lock = RLock()

    def answer(self, request: Request) -> Response:
        """Return the response to a request; refusals become JSON errors."""
        with self.lock:
            try:
                answer = self._answer(request)
            except Refusal as refusal:
                answer = Answer(refusal.status, refusal.to_dict(), headers=refusal.headers)
            return encode(answer)

    def _answer(self, request: Request) -> Answer:
        if request.raw_path in PATHS:
            return answer_token(self.tailnet, request.raw_path, request.method, request.headers, request.body)
        match = build_router().find(request.method, request.raw_path)
        caller = authenticate(self.tailnet, read_token(request.headers))
        self._check_tailnet(match)
        check_operation(caller, match.operation)
        call = Call(
            operation=match.operation,
            path=match.parameters,
            query=_read_query(request.query),
            headers=request.headers,
            body=request.body,
            caller=caller,
            tailnet=self.tailnet,
        )
        answer = as_answer(HANDLERS[match.operation.operation_id](call))
        self._note(call, match, answer)
        return answer

    def _check_tailnet(self, match: Match) -> None:
        asked = match.parameters.get("tailnet", "-")
        if asked not in {"-", self.tailnet.id, self.tailnet.name}:
            raise Refusal(404, "tailnet not found: use - for the tailnet of the credential")

    def _note(self, call: Call, match: Match, answer: Answer) -> None:
        if call.operation.effect == "read" or answer.status >= 300:
            return
        self.tailnet.ledger.add(
            operation=call.operation.operation_id,
            method=call.operation.http_method,
            path=match.path,
            time=self.tailnet.clock.text(),
            caller=call.caller.login_name,
            content=call.body,
        )


def _read_query(query: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query, keep_blank_values=True, max_num_fields=200)
    except ValueError:
        raise Refusal(400, "the query has too many parameters") from None


def as_answer(value: Any) -> Answer:
    """Turn what a handler returned into an answer."""
    return value if isinstance(value, Answer) else Answer(json=value)


def encode(answer: Answer) -> Response:
    """Turn an answer into bytes and headers."""
    if answer.json is NO_BODY:
        kind = (("Content-Type", answer.content_type),) if answer.body else ()
        return Response(answer.status, (*kind, *answer.headers), answer.body, answer)
    body = orjson.dumps(answer.json)
    return Response(answer.status, (("Content-Type", JSON_TYPE), *answer.headers), body, answer)
