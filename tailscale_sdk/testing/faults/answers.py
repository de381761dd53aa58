"""Whole answers that come from elsewhere: error statuses, redirects, pages."""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import formatdate
from typing import Final

import orjson

from tailscale_sdk.testing.faults.messages import JSON_TYPE, Answer, Head, Headers, header
from tailscale_sdk.testing.faults.table import Fault

HOUR_SECONDS: Final = 3600
MESSAGES: Final[Mapping[int, str]] = {
    400: "invalid request",
    401: "API token invalid",
    403: "calling actor does not have enough permissions to perform this function",
    404: "not found",
    408: "request timeout",
    409: "conflict",
    412: "precondition failed, invalid old hash",
    422: "unprocessable entity",
    429: "rate limit exceeded",
    500: "internal server error",
    501: "not implemented",
    502: "bad gateway",
    503: "service unavailable",
    504: "gateway timeout",
}
PAGE: Final = (
    b"<!DOCTYPE html>\n<html><head><title>Sign in to the network</title></head>\n"
    b"<body><h1>Welcome\x07</h1><p>Please accept the terms of use.</p>"
    + b"<p>&nbsp;</p>" * 40
    + b"</body></html>\n"
)
HTML_TYPE: Final = ("Content-Type", "text/html; charset=utf-8")


def build_answer(fault: Fault, request: Head, other_url: str) -> Answer | None:
    """Return the answer of a fault of kind status, redirect or page; None for the other kinds."""
    if fault.kind == "redirect":
        return _redirect(fault.name, request, other_url)
    if fault.kind == "page":
        return _page(fault.name)
    if fault.kind != "status":
        return None
    status = 503 if fault.name == "rand503" else int(fault.name[:3])
    body = orjson.dumps({"message": MESSAGES[status]})
    return Answer(status, (JSON_TYPE, *_retry_headers(fault.name))).carrying(body)


def _page(name: str) -> Answer:
    if name in {"html", "html200"}:
        return Answer(502 if name == "html" else 200, (HTML_TYPE,)).carrying(PAGE)
    if name == "empty200":
        return Answer(200, (JSON_TYPE,)).carrying(b"")
    return Answer(204, (JSON_TYPE,)).carrying(b'{"message":"a body no 204 may have"}')


def _retry_headers(name: str) -> Headers:
    now = time.time()
    date = ("Date", formatdate(now, usegmt=True))
    return {
        "429_s": (("Retry-After", "1"),),
        "429_date": (date, ("Retry-After", formatdate(now + 2, usegmt=True))),
        "429_past": (date, ("Retry-After", formatdate(now - HOUR_SECONDS, usegmt=True))),
        "429_bad": (("Retry-After", "soon"),),
        "429_3600": (("Retry-After", str(HOUR_SECONDS)),),
        "503_ra": (("Retry-After", "1"),),
    }.get(name, ())


def _redirect(name: str, request: Head, other_url: str) -> Answer:
    if name == "redir_host":
        status, location = 307, f"{other_url}{request.target}"
    elif name == "redir_http":
        status, location = 307, f"http://{header(request.headers, 'host')}{request.target}"
    else:
        status, location = int(name.removeprefix("redir")), "/api/v2/moved"
    return Answer(status, (("Location", location),)).carrying(b"")
