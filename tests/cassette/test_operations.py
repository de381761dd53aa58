"""Every operation, replayed from its recording through the real client with the network blocked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tailscale_sdk import (
    OPERATIONS,
    APIStatusError,
    AsyncTailscale,
    PolicyDocument,
    PolicyValidation,
    Tailscale,
)
from tests.cassette.recording import OPERATIONS_MODULE, cassette, read_index, steady_clock
from tests.exercise import bound_method

INDEX = read_index()[OPERATIONS_MODULE]
KEY = "tskey-api-demo"


def expected(operation_id: str, tape: Any) -> Any:
    """Read from the recording what the method must return."""
    body = tape.responses[-1]["body"]["string"]
    returns = OPERATIONS[operation_id].returns
    if returns == "None":
        return None
    if returns == "PolicyDocument":
        return body.decode()
    value = json.loads(body)
    if returns.startswith("list:"):
        value = value[returns.removeprefix("list:")]
    return [] if value is None and returns.startswith("list") else value


def plain(value: Any) -> Any:
    """Turn what a method returned back into JSON."""
    if isinstance(value, list):
        return [plain(element) for element in value]
    if isinstance(value, PolicyDocument):
        return value.text
    if isinstance(value, PolicyValidation):
        return {"message": value.message} if value.message else {}
    return value.to_dict() if hasattr(value, "to_dict") else value


@pytest.mark.parametrize("name", sorted(INDEX))
@pytest.mark.filterwarnings("ignore::DeprecationWarning:vcr")
async def test_replay(name: str) -> None:
    entry = INDEX[name]
    operation_id, arguments, keywords = entry["operation"], entry["arguments"], entry["keywords"]
    options: dict[str, Any] = {"api_key": KEY, "rate_limit": None, "_clock": steady_clock()}
    with Tailscale(**options) as client, cassette(name, record=False) as tape:
        status = tape.responses[-1]["status"]["code"]
        if status >= 400:
            with pytest.raises(APIStatusError) as caught:
                bound_method(client, operation_id)(*arguments, **keywords)
            assert caught.value.status == status
            return
        answer = bound_method(client, operation_id)(*arguments, **keywords)
        assert tape.all_played
        assert plain(answer) == expected(operation_id, tape)
    async with AsyncTailscale(**options) as client:
        with cassette(name, record=False) as tape:
            assert plain(await bound_method(client, operation_id)(*arguments, **keywords)) == plain(answer)
            assert tape.all_played


def test_every_operation_is_recorded() -> None:
    assert {entry["operation"] for entry in INDEX.values()} == set(OPERATIONS)
