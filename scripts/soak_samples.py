"""What the soak measures of its own process, and how that is judged."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import statistics
import subprocess
import sys
import threading
from collections import Counter
from itertools import combinations
from pathlib import Path

from attrs import frozen

SLOPE_LIMIT_MB = 1.0
DRIFT_LIMIT = 2
FEWEST_CALLS = 1000


@frozen
class Sample:
    """Hold what the process held at a moment.

    Attributes:
        calls: requests that succeeded until then.
        rss: resident memory in bytes.
        files, threads, tasks: how many are open, run or wait.
        objects: how many of each of our types are alive.
    """

    calls: int
    rss: int
    files: int
    threads: int
    tasks: int
    objects: dict[str, int]


def resident_bytes() -> int:
    """Return the resident memory of this process."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        told = subprocess.run(
            ["ps", "-o", "rss=", "-p", str(os.getpid())], capture_output=True, check=True, text=True
        )
        return int(told.stdout) * 1024


def our_objects() -> dict[str, int]:
    """Count the living objects of our own types."""
    kinds = (type(item) for item in gc.get_objects())
    # Interned: samples that are kept must not be what climbs.
    return Counter(
        sys.intern(f"{kind.__module__}.{kind.__qualname__}")
        for kind in kinds
        if kind.__module__.startswith("tailscale_sdk")
    )


def let_go() -> None:
    """Collect, and give freed memory back to the system, so that what is left is what is held."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def take_sample(calls: int) -> Sample:
    """Measure what the process holds."""
    let_go()
    return Sample(
        calls=calls,
        rss=resident_bytes(),
        files=len(os.listdir("/dev/fd")),  # noqa: PTH208  # only names are wanted, of what may be gone by then
        threads=threading.active_count(),
        tasks=len(asyncio.all_tasks()),
        objects=our_objects(),
    )


def theil_sen(points: list[tuple[float, float]]) -> float:
    """Return the median of the slopes between all pairs of points; few outliers do not move it."""
    slopes = [(y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(points, 2) if x2 != x1]
    return statistics.median(slopes) if slopes else 0.0


def slope_of(samples: list[Sample]) -> float:
    """Return by how many MB resident memory climbs per 10,000 calls over the last two thirds."""
    late = samples[len(samples) // 3 :]
    return theil_sen([(sample.calls, sample.rss) for sample in late]) * 10_000 / 2**20


def judge(start: Sample, end: Sample, samples: list[Sample]) -> list[str]:
    """Name what did not stay level."""
    found = []
    if end.calls - start.calls < FEWEST_CALLS:
        found.append(f"only {end.calls - start.calls} calls were made: that says nothing")
    if (slope := slope_of(samples)) > SLOPE_LIMIT_MB:
        found.append(f"memory climbs by {slope:.2f} MB per 10,000 calls")
    for name in ("files", "threads", "tasks"):
        before, after = getattr(start, name), getattr(end, name)
        if abs(after - before) > DRIFT_LIMIT:
            found.append(f"{name}: {before} before, {after} after")
    more = {name: (start.objects.get(name, 0), count) for name, count in end.objects.items()}
    found += [f"{name}: {a} alive before, {b} after" for name, (a, b) in more.items() if b > a]
    return found
