"""Every fault, every class, both clients: what the caller sees, what was sent, what was done, how long it took."""

from __future__ import annotations

import importlib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tailscale_sdk import OAuthClient
from tailscale_sdk.testing import FAULTS
from tests.reliability.client_side import UNREACHABLE, Rigging
from tests.reliability.deeds import DEEDS
from tests.reliability.judging import Scenario, judge, scenarios
from tests.reliability.matrix import CLASSES, ELSEWHERE, RENEWS, ROWS, Row, Way
from tests.reliability.stage import Stage
from tests.tls import ANOTHER_NAME

pytestmark = pytest.mark.untraced

ENDLESS = 1000
CASES = [
    pytest.param(row, retry_class, twin, id=f"{row.id}-{retry_class}-{twin}")
    for row in ROWS
    for retry_class in CLASSES
    for twin in ("sync", "async")
]


def options_of(row: Row, way: Way, scenario: Scenario, stage: Stage) -> dict[str, Any]:
    """Return the options of the client."""
    options = dict(row.options)
    if way is RENEWS and not scenario.fixed_key:
        options["auth"] = OAuthClient(*stage.oauth_client)
    if scenario.recreate:
        options["on_ambiguous"] = "recreate"
    return options


@pytest.mark.allow_hosts(["127.0.0.1", "::1", UNREACHABLE])
@pytest.mark.parametrize("row, retry_class, twin", CASES)
def test_fault(
    row: Row,
    retry_class: str,
    twin: str,
    stage: Stage,
    client_side: dict[str, Rigging],
    certificates: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if row.id == "tls_name":
        # It is trusted, so that its name is all that is wrong with it.
        monkeypatch.setenv("SSL_CERT_FILE", str(certificates / f"{ANOTHER_NAME}.pem"))
    for deed in [deed for deed in DEEDS if deed.retry_class == retry_class]:
        way = row.way(deed.operation, retry_class)
        for scenario in scenarios(row, deed, way):
            stage.reset()
            options = options_of(row, way, scenario, stage)
            if row.id in client_side:
                options["rig"] = client_side[row.id](ENDLESS if scenario.again else 1)
            else:
                stage.tailnet.faults.add(scenario.rule(row, deed))
            sound = not scenario.everybody and row.id not in client_side and row.id != "429_3600"
            print(deed.operation, scenario)  # which of the scenarios it was, where one fails
            outcome = stage.play(twin, deed, afterwards=sound or not scenario.again, **options)
            judge(row, deed, way, scenario, stage, twin, outcome)


def test_every_fault_is_in_the_matrix() -> None:
    named = Counter([row.id for row in ROWS] + list(ELSEWHERE))
    assert {name for name, times in named.items() if times > 1} == set()
    # A write error has a row of its own beside the reset that only sometimes brings one about.
    assert set(named) == {*FAULTS, "wreset_write"}


def test_every_class_stands_for_itself() -> None:
    assert Counter(deed.retry_class for deed in DEEDS) == {
        "SAFE": 2,
        "IDEM": 2,
        "COND": 1,
        "CREATE": 2,
        "EFFECT": 1,
    }


@pytest.mark.parametrize("name", ELSEWHERE)
def test_what_is_proven_elsewhere_is(name: str) -> None:
    module = importlib.import_module(f"tests.reliability.{ELSEWHERE[name]}")
    ids = {
        case.id
        for mark in module.test_fault.pytestmark
        if mark.name == "parametrize"
        for case in mark.args[1]
    }
    assert any(str(found).startswith(f"{name}-") for found in ids)
