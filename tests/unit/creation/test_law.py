"""Whatever the service does, no key is left that nobody was told of."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailscale_sdk.errors import (
    OutcomeUnknownError,
    TailscaleError,
)
from tests.unit.creation.service import (
    DELETE,
    GET,
    LIST,
    LOST,
    POST,
    Reaction,
    Service,
    create_key,
    create_with,
    late_by,
    lost_after,
    lost_before,
    normal,
    refused,
    status,
    status_after,
)

CREATION_FAULTS = st.sampled_from(
    [normal, lost_before, lost_after, status(500), status_after(500), status(403), status(429), refused]
    + [late_by(number) for number in range(1, 9)]
    + [LOST["cut"], LOST["no secret"]]
)
OTHER_FAULTS = st.sampled_from([normal, normal, normal, lost_before, lost_after, status(500), status(403)])
SCRIPTS = st.fixed_dictionaries(
    {
        POST: st.lists(CREATION_FAULTS, max_size=3),
        LIST: st.lists(OTHER_FAULTS, max_size=4),
        GET: st.lists(OTHER_FAULTS, max_size=3),
        DELETE: st.lists(OTHER_FAULTS, max_size=3),
    }
)


@pytest.mark.parametrize("kind", ["sync", "async"])
@settings(max_examples=60)
@given(SCRIPTS, st.sampled_from(["raise", "recreate"]), st.booleans(), st.booleans(), st.sampled_from([0, 2]))
def test_no_key_is_left_that_nobody_was_told_of(
    kind: str,
    script: dict[str, list[Reaction]],
    on_ambiguous: str,
    marked: bool,
    bare: bool,
    max_retries: int,
) -> None:
    service = Service(script)
    service.bare = bare
    options = {"on_ambiguous": on_ambiguous, "mark_creation": marked, "max_retries": max_retries}
    made, problem = None, None
    try:
        if kind == "sync":
            made = create_with(service, options)
        else:
            made = asyncio.run(create_key(kind, service, **options))
    except TailscaleError as error:
        problem = error
    live = {name: key["description"].split()[-1] for name, key in service.things["keys"].items()}
    if made is not None:
        # A success is one live key.
        assert live.pop(made.id) == made.description.split()[-1]
    # Whatever else lives, or is on its way, is named by the error or the result.
    on_its_way = [json.loads(request.content)["description"].split()[-1] for request in service.late.values()]
    if marked:
        named = {getattr(made, "possible_orphan", None)}
        if isinstance(problem, OutcomeUnknownError):
            named = {problem.nonce, problem.possible_orphan}
        assert {*live.values(), *on_its_way} <= named
    elif live or on_its_way:
        # Without a mark nothing is made twice, and the error says that it is not known.
        assert len(live) + len(on_its_way) == 1
        assert made is None
        assert isinstance(problem, OutcomeUnknownError)
        assert problem.candidates == tuple(live) or problem.recovered in {"none", "not_found"}
