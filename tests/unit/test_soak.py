"""The soak's judgement: it lets level pass and names whatever climbs."""

from __future__ import annotations

import random

import pytest
from attrs import evolve

from scripts.soak_samples import DRIFT_LIMIT, FEWEST_CALLS, Sample, judge, slope_of, theil_sen

MB = 2**20
START = Sample(calls=1000, rss=50 * MB, files=12, threads=4, tasks=1, objects={"tailscale_sdk.errors.X": 2})
END = evolve(START, calls=31_000)


def samples(mb_per_10_000: float, noise_mb: float = 0.0) -> list[Sample]:
    chance = random.Random(1)
    return [
        evolve(
            START,
            calls=calls,
            rss=round((50 + mb_per_10_000 * calls / 10_000 + chance.uniform(0, noise_mb)) * MB),
        )
        for calls in range(1000, 31_000, 500)
    ]


def test_the_slope_is_a_median() -> None:
    points = [(float(x), 3.0 * x) for x in range(20)]
    points[7] = (7.0, 1e9)
    assert theil_sen(points) == 3.0
    assert theil_sen([(1.0, 2.0), (1.0, 5.0)]) == 0.0


@pytest.mark.parametrize("slope", [-2.0, 0.0, 0.5, 3.0])
def test_the_slope_is_per_ten_thousand_calls(slope: float) -> None:
    assert slope_of(samples(slope)) == pytest.approx(slope, abs=0.01)


def test_what_climbs_while_it_warms_up_does_not_count() -> None:
    kept = samples(0.0)
    third = len(kept) // 3
    warm = [evolve(sample, rss=sample.rss - (third - i) * MB) for i, sample in enumerate(kept[:third])]
    assert slope_of([*warm, *kept[third:]]) == 0.0


def test_level_passes() -> None:
    assert judge(START, END, samples(0.9, noise_mb=0.2)) == []
    assert judge(START, evolve(END, files=12 + DRIFT_LIMIT, objects={}), samples(-1.0)) == []


def test_memory_that_climbs_is_named() -> None:
    assert judge(START, END, samples(1.2, noise_mb=0.2))[0].startswith("memory climbs by 1.")


@pytest.mark.parametrize("name", ["files", "threads", "tasks"])
@pytest.mark.parametrize("by", [-3, 3])
def test_what_drifts_is_named(name: str, by: int) -> None:
    before = getattr(START, name) + 10
    start, end = evolve(START, **{name: before}), evolve(END, **{name: before + by})
    assert judge(start, end, samples(0.0)) == [f"{name}: {before} before, {before + by} after"]


def test_objects_that_stay_are_named() -> None:
    end = evolve(END, objects={"tailscale_sdk.errors.X": 3, "tailscale_sdk.new.Y": 1})
    assert judge(START, end, samples(0.0)) == [
        "tailscale_sdk.errors.X: 2 alive before, 3 after",
        "tailscale_sdk.new.Y: 0 alive before, 1 after",
    ]


def test_too_few_calls_say_nothing() -> None:
    (told,) = judge(START, evolve(START, calls=START.calls + FEWEST_CALLS - 1), samples(0.0))
    assert told.startswith(f"only {FEWEST_CALLS - 1} calls")
