"""Recordings of what an embedded tailnet does not do by itself: failures put before a recorded answer."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen
from vcr.serializers import yamlserializer

from tests.cassette.recording import OPERATIONS_MODULE, RETRIES_MODULE


@frozen
class Failure:
    """Describe one answer that is put before the recorded one."""

    status: int
    message: str
    headers: Mapping[str, str]


@frozen
class Case:
    """Describe one synthesised cassette.

    Attributes:
        source: recorded cassette of one request.
        failures: answers put before the recorded one, in order.
        goes_on: the recorded answer follows; False when the call ends with the last failure.
    """

    source: str
    failures: tuple[Failure, ...]
    goes_on: bool = True


def _busy(seconds: str) -> Failure:
    return Failure(429, "too many requests", {"Retry-After": seconds})


_DOWN = Failure(503, "service unavailable", {})
CASES: Mapping[str, Case] = {
    "listUsers-429": Case("listUsers", (_busy("3"),)),
    "listUsers-429-date": Case("listUsers", (_busy("Wed, 01 Jul 2026 10:00:20 GMT"),)),
    "listUsers-503-twice": Case("listUsers", (_DOWN, _DOWN)),
    "listUsers-429-hours": Case("listUsers", (_busy("7200"),), goes_on=False),
    "setDeviceName-429": Case("setDeviceName", (_busy("1"),)),
    "testWebhook-503": Case("testWebhook", (_DOWN,), goes_on=False),
}


def synthesise(folder: Path, entries: Mapping[str, Any]) -> dict[str, Any]:
    """Write every synthesised cassette and return its part of the index.

    Args:
        folder: where the cassettes of all modules are.
        entries: index of the recorded ones; a case whose source is not among them is left out.
    """
    (folder / RETRIES_MODULE).mkdir(parents=True, exist_ok=True)
    index = {}
    for name, case in CASES.items():
        if case.source not in entries:
            continue
        recorded = yamlserializer.deserialize(
            (folder / OPERATIONS_MODULE / f"{case.source}.yaml").read_text()
        )
        (interaction,) = recorded["interactions"]
        failed = [_failed(interaction, failure) for failure in case.failures]
        recorded["interactions"] = [*failed, *([interaction] if case.goes_on else [])]
        (folder / RETRIES_MODULE / f"{name}.yaml").write_text(yamlserializer.serialize(recorded))
        statuses = ", ".join(str(failure.status) for failure in case.failures)
        before = "before" if case.goes_on else "instead of"
        index[name] = {
            **entries[case.source],
            "recorded_against": f"synthesised: {statuses} {before} the answer of {case.source}",
        }
    return index


def _failed(interaction: Mapping[str, Any], failure: Failure) -> dict[str, Any]:
    answer = {
        "status": {"code": failure.status, "message": ""},
        "headers": {
            "content-type": ["application/json"],
            **{name.lower(): [value] for name, value in failure.headers.items()},
        },
        "body": {"string": json.dumps({"message": failure.message}, separators=(",", ":"))},
    }
    return {"request": copy.deepcopy(interaction["request"]), "response": answer}
