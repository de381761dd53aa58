"""How a cassette is made and read: one file per call, and an index that says what each came from."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import vcr

from tailscale_sdk.transport.clock import Clock
from tests.cassette.anonymising import Pseudonyms
from tests.cassette.scrubbing import scrub_body

CASSETTES = Path(__file__).resolve().parents[2] / "cassettes"
OPERATIONS_MODULE = "test_operations"
RETRIES_MODULE = "test_retries"
HOST = "https://api.tailscale.com"
_TAILNET = re.compile(r"^/tailnet/[^/?]+")


def steady_clock() -> Clock:
    """Return a clock that marks every created key alike, so that its request is the recorded one."""
    return Clock(nonce=lambda: "casset77")


def _request_scrubber(pseudonyms: Pseudonyms | None) -> Callable[[Any], Any]:
    def scrub(request: Any) -> Any:
        path = _TAILNET.sub("/tailnet/-", request.uri.partition("/api/v2")[2])
        if request.body:
            request.body = scrub_body(bytes(request.body))
        if pseudonyms is not None:
            path = pseudonyms.replace_known(path)
            if request.body:
                request.body = pseudonyms.replace_known(request.body.decode()).encode()
        kept = {"accept", "content-type", "if-match"}
        request.headers = {name: value for name, value in request.headers.items() if name.lower() in kept}
        request.uri = f"{HOST}/api/v2{path}"
        return request

    return scrub


def _response_scrubber(pseudonyms: Pseudonyms | None) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def scrub(response: dict[str, Any]) -> dict[str, Any]:
        kept = {"content-type", "etag", "retry-after"}
        response["headers"] = {
            name: value for name, value in response["headers"].items() if name.lower() in kept
        }
        body = scrub_body(response["body"]["string"])
        if pseudonyms is not None and body:
            body = json.dumps(pseudonyms.anonymise(json.loads(body)), separators=(",", ":")).encode()
        response["body"]["string"] = body
        return response

    return scrub


def cassette(
    name: str,
    *,
    record: bool,
    module: str = OPERATIONS_MODULE,
    pseudonyms: Pseudonyms | None = None,
    folder: Path = CASSETTES,
) -> Any:
    """Open a cassette.

    Args:
        name: file name without its ending.
        record: True to write it anew, False to replay it and fail on anything unrecorded.
        module: test module that replays it.
        pseudonyms: replaces identities while recording against a real tailnet.
        folder: where the cassettes of all modules are.
    """
    recorder = vcr.VCR(
        record_mode="all" if record else "none",
        match_on=["method"] if record else ["method", "path", "query", "scrubbed_body"],
        decode_compressed_response=True,
        before_record_request=_request_scrubber(pseudonyms),
        before_record_response=_response_scrubber(pseudonyms),
    )
    recorder.register_matcher("scrubbed_body", _same_body)
    return recorder.use_cassette(str(folder / module / f"{name}.yaml"))


def _same_body(sent: Any, recorded: Any) -> None:
    if scrub_body(bytes(sent.body or b"")) != bytes(recorded.body or b""):
        raise AssertionError("the request body is not the one that was recorded")


def read_index(folder: Path = CASSETTES) -> dict[str, dict[str, Any]]:
    """Read, by test module and name, what each cassette came from and the call it holds."""
    content: dict[str, dict[str, Any]] = json.loads((folder / "index.json").read_text())
    return content
