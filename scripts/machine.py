"""How much slower this machine is, at this moment, than the one that budgets in seconds are for."""

from __future__ import annotations

import gc
import json
import statistics
import time
from functools import cache

ROUNDS, RECORDS = 9, 10_000
# What a round takes there, in CPython 3.11.
REFERENCE_SECONDS = 0.020


def slowness() -> float:
    """Return 1 for that machine and every faster one, 2 for one that takes twice as long; others share it.

    Reading a large document needs memory as well as the processor, like the work that has budgets.
    """
    return max(1.0, statistics.median(_round() for _ in range(ROUNDS)) / REFERENCE_SECONDS)


def _round() -> float:
    text = _document()
    gc.collect()
    start = time.perf_counter()
    json.loads(text)
    return time.perf_counter() - start


@cache
def _document() -> str:
    return json.dumps(
        [
            {
                "nodeId": f"n{number:06}CNTRL",
                "name": f"host-{number}.example.ts.net",
                "addresses": [f"100.64.{number // 256}.{number % 256}", f"fd7a:115c:a1e0::{number:x}"],
                "tags": ["tag:web", f"tag:team-{number % 40}"],
                "clientVersion": f"1.{number % 90}.0",
                "authorized": True,
                "lastSeen": "2026-06-30T12:00:00Z",
            }
            for number in range(RECORDS)
        ]
    )
