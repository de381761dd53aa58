"""How a cassette is made and read: one file per operation, and an index that says what each came from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import vcr

from tests.cassette.anonymising import Pseudonyms
from tests.cassette.scrubbing import scrub_body

FOLDER = Path(__file__).resolve().parents[2] / "cassettes" / "test_operations"
INDEX = FOLDER.parent / "index.json"
HOST = "https://api.tailscale.com"


def _request_scrubber(pseudonyms: Pseudonyms | None) -> Callable[[Any], Any]:
    def scrub(request: Any) -> Any:
        if request.body:
            request.body = _scrub(bytes(request.body), pseudonyms)
        kept = {"accept", "content-type", "if-match"}
        request.headers = {name: value for name, value in request.headers.items() if name.lower() in kept}
        _, _, path = request.uri.partition("/api/v2")
        request.uri = f"{HOST}/api/v2{path}"
        return request

    return scrub


def _response_scrubber(pseudonyms: Pseudonyms | None) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def scrub(response: dict[str, Any]) -> dict[str, Any]:
        kept = {"content-type", "etag", "retry-after"}
        response["headers"] = {
            name: value for name, value in response["headers"].items() if name.lower() in kept
        }
        response["body"]["string"] = _scrub(response["body"]["string"], pseudonyms)
        return response

    return scrub


def _scrub(body: bytes, pseudonyms: Pseudonyms | None) -> bytes:
    scrubbed = scrub_body(body)
    if pseudonyms is None or not scrubbed:
        return scrubbed
    return json.dumps(pseudonyms.anonymise(json.loads(scrubbed)), separators=(",", ":")).encode()


def cassette(name: str, *, record: bool, pseudonyms: Pseudonyms | None = None) -> Any:
    """Open a cassette.

    Args:
        name: file name without its ending.
        record: True to write it anew, False to replay it and fail on anything unrecorded.
        pseudonyms: replaces identities while recording against a real tailnet.
    """
    recorder = vcr.VCR(
        record_mode="all" if record else "none",
        match_on=["method"] if record else ["method", "path", "query", "scrubbed_body"],
        decode_compressed_response=True,
        before_record_request=_request_scrubber(pseudonyms),
        before_record_response=_response_scrubber(pseudonyms),
    )
    recorder.register_matcher("scrubbed_body", _same_body)
    return recorder.use_cassette(str(FOLDER / f"{name}.yaml"))


def _same_body(sent: Any, recorded: Any) -> None:
    if scrub_body(bytes(sent.body or b"")) != bytes(recorded.body or b""):
        raise AssertionError("the request body is not the one that was recorded")


def read_index() -> dict[str, Any]:
    """Read what each cassette was recorded against and with which arguments."""
    content: dict[str, Any] = json.loads(INDEX.read_text())
    return content
