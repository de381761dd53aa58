"""docs/reliability.md says what the code does: every default, class, error and figure on it."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tailscale_sdk
from tailscale_sdk import OPERATIONS, Tailscale, errors
from tailscale_sdk import _constants as defaults
from tailscale_sdk.option_values import FurtherOptions
from tailscale_sdk.testing import Faults
from tailscale_sdk.transport.options import Options
from tests.docs.blocks import blocks_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
TEXT = PAGE.read_text(encoding="utf-8")
ROW = re.compile(r"^\| (?P<first>.+?) \| (?P<second>.+?)(?: \| .*)? \|$", re.MULTILINE)
MIB, KIB = 2**20, 2**10
# Errors of work that needs no call.
ELSEWHERE = {
    "ChangeRefusedError",
    "HuJSONError",
    "PlanRefusedError",
    "StateError",
    "TailscaleError",
    "WebhookError",
}
# Words of the page that stand for values.
IN_WORDS = {
    "five at once and ten a second": defaults.RATE_LIMIT == (5, 0.5),
    "at most half of the slots": defaults.BULK_SHARE == 0.5,
    "eight random characters, 40 bits": defaults.NONCE_CHARACTERS == 8,
    "the\nservice allows 50 characters": defaults.DESCRIPTION_CHARACTERS == 50,
    "plus at most 10 %": defaults.RETRY_AFTER_JITTER_SHARE == 0.1,
    "14 for one, 5 after a 429 or 503": (defaults.RETRY_COST, defaults.RETRY_COST_WHEN_THROTTLED) == (14, 5),
}


def part(name: str) -> str:
    """Return what stands between two marks of the page."""
    return TEXT.split(f"<!-- {name} -->")[1].split("<!--")[0]


def table(name: str) -> dict[str, str]:
    """Return the first two columns of a table between its marks, without code marks."""
    rows = [(m["first"].strip("`"), m["second"]) for m in ROW.finditer(part(f"{name}:begin"))]
    return dict(rows[1:])


def shown(name: str, value: Any) -> str:
    """Write a default as the page does."""
    if name.endswith("_bytes"):
        return f"{value // MIB} MiB"
    if isinstance(value, str):
        return f'"{value}"'
    seconds = name.endswith("timeout") or name == "max_retry_after"
    return f"{value:g} s" if seconds else str(value)


def client_options() -> dict[str, Any]:
    """Return the default of every option that ``with_options`` takes."""
    options, signature = Options(), inspect.signature(Tailscale).parameters
    names = set(inspect.signature(Tailscale.with_options).parameters) | set(FurtherOptions.__annotations__)
    found = {"retry_budget": defaults.RETRY_BUDGET}
    for name in names - {"self", "further"} - set(found):
        found[name] = getattr(options, name) if hasattr(options, name) else signature[name].default
    return found


def test_every_option_is_there_with_its_default() -> None:
    assert table("options") == {name: shown(name, value) for name, value in client_options().items()}


def test_fixed_values_are_those_of_the_code() -> None:
    assert table("fixed") == {
        "first bound of the wait between attempts": f"{defaults.BACKOFF_FIRST_SECONDS:g} s",
        "largest bound of the wait between attempts": f"{defaults.BACKOFF_CAP_SECONDS:g} s",
        "most that is added to a Retry-After": f"{defaults.RETRY_AFTER_JITTER_CAP_SECONDS:g} s",
        "wait for a connection of the pool": f"{defaults.POOL_TIMEOUT_SECONDS:g} s",
        "an idle connection is kept": f"{defaults.KEEPALIVE_SECONDS:g} s",
        "time of its own to find out about an unclear write": f"{defaults.RECONCILE_SECONDS:g} s",
        "wait before the second look for a creation": f"{defaults.SECOND_LOOK_SECONDS:g} s",
        "keys read one by one to find a mark": str(defaults.RECONCILE_READS),
        "compression ratio of an answer, checked from "
        f"{defaults.RATIO_CHECKED_FROM_BYTES // MIB} MiB on": str(defaults.MAX_COMPRESSION_RATIO),
        "body of an error that is read": f"{defaults.MAX_ERROR_BODY_BYTES // KIB} KiB",
        "cost of a retry": f"{defaults.RETRY_COST} tokens",
        "cost of a retry after 429 or 503": f"{defaults.RETRY_COST_WHEN_THROTTLED} tokens",
        "share of a token's life after which it is renewed": f"{defaults.TOKEN_REFRESH_SHARE:g}",
        "asynchronous calls are cut off after the deadline by": f"{defaults.DEADLINE_GRACE_SECONDS:g} s",
    }


def figures() -> Iterator[str]:
    """Yield each number of seconds, tokens or bytes in the sentences of the page."""
    prose = re.sub(r"^```.*?^```$|^\|.*?$", "", TEXT, flags=re.DOTALL | re.MULTILINE)
    yield from re.findall(r"\d[\d.]* (?:s|tokens|MiB|KiB)\b", prose)


def test_each_figure_in_a_sentence_is_a_value_of_the_code() -> None:
    seconds = {f"{value:g} s" for name, value in vars(defaults).items() if name.endswith("_SECONDS")}
    known = seconds | {f"{defaults.RETRY_BUDGET} tokens"}
    found = set(figures())
    assert len(found) >= 5
    assert found <= known


@pytest.mark.parametrize("words", IN_WORDS)
def test_what_is_said_in_words_holds(words: str) -> None:
    assert words in TEXT
    assert IN_WORDS[words]


@pytest.mark.parametrize("retry_class", ["CREATE", "EFFECT"])
def test_what_is_never_repeated_blindly_is_listed(retry_class: str) -> None:
    found = {o for o in OPERATIONS.values() if o.retry_class == retry_class}
    assert set(re.findall(r"`([a-z_.]+)`", part(retry_class.lower()))) == {
        f"{o.resource}.{o.method}" for o in found
    }


def test_every_error_of_a_call_is_there() -> None:
    named = set(re.findall(r"^\| `(\w+Error)` \|", TEXT, re.MULTILINE))
    public = {name for name in tailscale_sdk.__all__ if name.endswith("Error")}
    assert named == public - ELSEWHERE


def test_every_outcome_of_a_creation_is_there() -> None:
    rows = set(re.findall(r"^\| `(\w+)` \|", TEXT.split("## Creations")[1].split("###")[0], re.MULTILINE))
    assert rows - {"recovered"} == set(errors._RECOVERED)


def test_fault_files_are_accepted() -> None:
    files = [json.loads(block.code) for block in blocks_of(PAGE) if block.language == "json"]
    assert len(files) == 1
    for content in files:
        assert len(Faults(content).rules) == len(content["rules"])


def test_links_within_the_page_lead_somewhere() -> None:
    headings = re.findall(
        r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", TEXT, flags=re.DOTALL | re.MULTILINE), re.MULTILINE
    )
    anchors = {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in headings}
    assert set(re.findall(r"\]\(#([a-z-]+)\)", TEXT)) <= anchors
