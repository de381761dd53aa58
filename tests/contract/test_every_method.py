"""Each of the 90 methods, sync and async, against the embedded tailnet and the API description."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest

from tailscale_sdk import OPERATIONS, AsyncTailscale, Tailscale
from tailscale_sdk.testing import FakeTailnet
from tests.contract.wire import AsyncWatchedTransport, Watch, WatchedTransport, violations
from tests.exercise import STEPS, Memory, bound_method


@pytest.fixture
def tailnet() -> Iterator[FakeTailnet]:
    with FakeTailnet(devices=12, seed=11) as running:
        yield running


def returned_kind(operation_id: str, value: Any) -> bool:
    returns = OPERATIONS[operation_id].returns
    if returns == "None":
        return value is None
    if returns.startswith("list"):
        return type(value) is list
    if returns == "object":
        return hasattr(value, "to_dict")
    return type(value).__name__ == returns


def test_the_table_covers_every_operation() -> None:
    assert {step.operation_id for step in STEPS} == set(OPERATIONS)
    assert len(OPERATIONS) == 90


def test_synchronous(tailnet: FakeTailnet) -> None:
    watch, memory, found = Watch(), Memory(), {}
    with Tailscale(
        api_key=tailnet.api_key, base_url=tailnet.base_url, rate_limit=None, _wire=WatchedTransport(watch)
    ) as client:
        for step in STEPS:
            arguments, keywords = step.arguments(memory)
            before = len(watch.seen)
            answer = bound_method(client, step.operation_id)(*arguments, **keywords)
            assert returned_kind(step.operation_id, answer), step.operation_id
            step.remember(memory, answer)
            assert len(watch.seen) == before + 1, f"{step.operation_id}: one request a call"
            if problems := violations(step.operation_id, watch.seen[-1]):
                found[step.operation_id] = problems
    assert found == {}


async def test_asynchronous(tailnet: FakeTailnet) -> None:
    watch, memory, found = Watch(), Memory(), {}
    async with AsyncTailscale(
        api_key=tailnet.api_key,
        base_url=tailnet.base_url,
        rate_limit=None,
        _wire=AsyncWatchedTransport(watch),
    ) as client:
        for step in STEPS:
            arguments, keywords = step.arguments(memory)
            answer = await bound_method(client, step.operation_id)(*arguments, **keywords)
            assert returned_kind(step.operation_id, answer), step.operation_id
            step.remember(memory, answer)
            if problems := violations(step.operation_id, watch.seen[-1]):
                found[step.operation_id] = problems
    assert found == {}


@pytest.mark.parametrize("operation_id", sorted(OPERATIONS))
def test_both_shells_have_the_same_signature(operation_id: str) -> None:
    operation = OPERATIONS[operation_id]
    shells = [
        inspect.signature(bound_method(client, operation_id))
        for client in (Tailscale(api_key="tskey-api-demo"), AsyncTailscale(api_key="tskey-api-demo"))
    ]
    assert [str(p) for p in shells[0].parameters.values()] == [str(p) for p in shells[1].parameters.values()]
    assert shells[0].return_annotation == shells[1].return_annotation
    for parameter in shells[0].parameters.values():
        positional = parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
        manual = operation.resource == "policy"
        in_path = f"{{{parameter.name}}}" in operation.path.replace("Id}", "_id}").lower() or positional
        assert manual or positional == (in_path and parameter.name != "tailnet"), parameter.name


def test_the_resources_have_exactly_the_described_methods() -> None:
    client = Tailscale(api_key="tskey-api-demo")
    described: dict[str, set[str]] = {}
    for operation in OPERATIONS.values():
        described.setdefault(operation.resource, set()).add(operation.method)
    assert len(described) == 14
    additional = {"logging": {"iter_audit_logs", "iter_network_logs"}}
    for resource, methods in described.items():
        public = {name for name in dir(getattr(client, resource)) if not name.startswith("_")}
        assert public - additional.get(resource, set()) == methods, resource


def test_the_table_equals_the_reference(reference_data: Any) -> None:
    lines = (reference_data / "operations.tsv").read_text().splitlines()
    names = lines[0].split("\t")
    rows = [dict(zip(names, line.split("\t"), strict=False)) for line in lines[1:]]
    ours = [
        {**operation._asdict(), "scopes": " ".join(operation.scopes)} for operation in OPERATIONS.values()
    ]
    key = "operation_id"
    assert sorted(rows, key=lambda row: row[key]) == sorted(ours, key=lambda row: str(row[key]))
