"""Finding out what became of a creation has a time of its own, and ends."""

from __future__ import annotations

import pytest

from tailscale_sdk.errors import (
    APITimeoutError,
)
from tests.unit.creation.service import (
    DELETE,
    GET,
    LIST,
    POST,
    Reaction,
    Service,
    lost_after,
    lost_before,
    slow,
    slow_answer,
    status,
    unknown,
)
from tests.unit.scripted import twins


@twins
async def test_finding_out_has_time_of_its_own(kind: str) -> None:
    service = Service({POST: [slow(100.0)], LIST: [slow(3.0)] * 2})
    error = await unknown(kind, service, timeout=5.0)
    assert error.recovered == "not_found"
    assert isinstance(error.__cause__, APITimeoutError)
    assert service.elapsed == pytest.approx(5.0 + 3.0 + 2.0 + 3.0)


@twins
@pytest.mark.parametrize(
    "script, asked",
    [
        ({LIST: [slow(100.0)]}, [POST, LIST]),
        ({LIST: [slow(14.0)]}, [POST, LIST]),
        ({LIST: [slow(7.0), slow(100.0)]}, [POST, LIST, LIST]),
        ({POST: [slow_answer], LIST: [slow(7.0)], DELETE: [slow_answer]}, [POST, LIST, DELETE]),
    ],
)
async def test_finding_out_ends_after_fifteen_seconds(
    kind: str, script: dict[str, list[Reaction]], asked: list[str]
) -> None:
    service = Service({POST: [slow(100.0)], **script})
    error = await unknown(kind, service, timeout=5.0, on_ambiguous="recreate")
    assert (error.nonce, service.asked[: len(asked)]) == ("mark1aaa", asked)
    assert service.elapsed <= 20.0 + 0.01
    assert service.asked.count(POST) == 1 or error.possible_orphan == "mark1aaa"


@twins
async def test_a_second_creation_is_part_of_those_fifteen_seconds(kind: str) -> None:
    service = Service({POST: [slow(100.0), slow(100.0)]})
    error = await unknown(kind, service, timeout=60.0, on_ambiguous="recreate")
    assert (error.recovered, error.nonce, error.possible_orphan) == ("none", "mark2aaa", "mark1aaa")
    assert service.elapsed == pytest.approx(30.0 + 15.0, abs=0.1)


@twins
async def test_reads_of_a_look_are_repeated_within_its_time(kind: str) -> None:
    service = Service(
        {POST: [lost_after], LIST: [status(500), lost_before], DELETE: [status(503, retry_after="1")]}
    )
    error = await unknown(kind, service, max_retries=3)
    assert error.recovered == "revoked"
    assert service.descriptions() == []


@twins
async def test_a_deletion_that_is_repeated_finds_nothing_left(kind: str) -> None:
    service = Service({POST: [lost_after], DELETE: [lost_after]})
    error = await unknown(kind, service, max_retries=3)
    assert error.recovered == "revoked"
    assert service.asked == [POST, LIST, DELETE, DELETE, GET]
