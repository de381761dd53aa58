"""Tests that a policy lacks, written when a fix is planned: making them takes longer than a check may."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tailscale_sdk.operations.audit.judged_policy import JudgedPolicy
from tailscale_sdk.policy.lint import generate_tests

Json = Mapping[str, Any]
Lacking = Mapping[str, Sequence[str]]
"""Tags that need a test, by what it says of them: ``accept``, ``deny``, ``ssh``."""

_KINDS: Final = {"tests": ("accept", "deny"), "sshTests": ("ssh",)}


def write_tests(judged: JudgedPolicy, lacking: Sequence[Lacking]) -> Sequence[tuple[Json, ...]]:
    """Write the tests that findings ask for, each of which passes today.

    Args:
        judged: the policy.
        lacking: for each finding what it misses.

    Returns:
        For each finding RFC 6902 operations that add its tests; none where no test would pass.
    """
    tags = {tag for each in lacking for named in each.values() for tag in named}
    if not tags:
        return [() for _ in lacking]
    made, content = generate_tests(judged.compiled, tags=tags), judged.policy.tree.data()
    return [tuple(_additions(content, made, each)) for each in lacking]


def _additions(content: Json, made: Mapping[str, Sequence[Json]], lacking: Lacking) -> Iterator[Json]:
    for section, kinds in _KINDS.items():
        tests = [
            test
            for test in made[section]
            if any(tag in lacking.get(kind, ()) for kind in kinds for tag in _tags(test, kind))
        ]
        # What adds to the end of a list needs one that is neither missing nor null.
        if tests and not isinstance(content.get(section), list):
            yield {"op": "add", "path": f"/{section}", "value": []}
        yield from ({"op": "add", "path": f"/{section}/-", "value": test} for test in tests)


def _tags(test: Json, kind: str) -> Sequence[str]:
    if kind == "ssh":
        return list(test["dst"])
    return [text.rpartition(":")[0] for text in test.get(kind, ())]
