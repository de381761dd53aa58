"""Control paths outside the API: move the clock, read the ledger and the state of a server elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import orjson

from tailscale_sdk.testing.dispatch import Dispatcher, Request, Response, encode
from tailscale_sdk.testing.exchange import Answer, Refusal
from tailscale_sdk.testing.passing import advance
from tailscale_sdk.testing.snapshot_file import dump_state

CONTROL_PREFIX = "/_control/"
LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})


def answer_control(dispatcher: Dispatcher, request: Request) -> Response:
    """Answer ``/_control/clock`` (GET, POST ``{"advance_seconds": n}``), ``/_control/ledger``, ``/_control/snapshot``."""
    with dispatcher.lock:
        try:
            return encode(Answer(json=_answer(dispatcher, request)))
        except Refusal as refusal:
            return encode(Answer(refusal.status, refusal.to_dict(), headers=refusal.headers))


def refuse_strangers(headers: Mapping[str, str]) -> None:
    """Turn away a page in a browser, which can reach loopback under a name of its own.

    Args:
        headers: request headers, names in lower case.

    Raises:
        Refusal: 403.
    """
    host = headers.get("host", "")
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    if name not in LOOPBACK_NAMES or "origin" in headers:
        raise Refusal(403, "control paths answer on loopback only")


def _answer(dispatcher: Dispatcher, request: Request) -> Any:
    refuse_strangers(request.headers)
    wanted = (request.method, request.raw_path.removeprefix(CONTROL_PREFIX))
    tailnet = dispatcher.tailnet
    if wanted == ("GET", "clock"):
        return {"now": tailnet.clock.text()}
    if wanted == ("POST", "clock"):
        try:
            advance(tailnet, _read_seconds(request.body))
        except ValueError as error:
            raise Refusal(400, str(error)) from None
        return {"now": tailnet.clock.text()}
    if wanted == ("GET", "ledger"):
        return [attrs.asdict(entry) for entry in tailnet.ledger.entries]
    if wanted == ("GET", "snapshot"):
        return dump_state(tailnet)
    raise Refusal(404, "no such control path: clock, ledger and snapshot exist")


def _read_seconds(body: bytes) -> float:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        content = None
    seconds = content.get("advance_seconds") if isinstance(content, dict) else None
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        raise Refusal(400, 'send {"advance_seconds": <number of seconds>}')
    return float(seconds)
