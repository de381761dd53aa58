"""The pieces of a workflow's call: notices of progress, cut lists, and texts of prompts."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mcp_adapter.cutting import PATHS_NAMED, cut_lists, longest_list
from mcp_adapter.progress import EVERY_SECONDS, Progress
from mcp_adapter.prompts import ARGUMENT_LIMIT, quoted

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=30,
)


class Listener:
    """Note what is told, and fail when told to."""

    def __init__(self, *, gone: bool = False) -> None:
        self.told: list[tuple[int, int]] = []
        self.gone = gone
        self.seconds = 0.0

    async def send(self, done: int, total: int) -> None:
        await asyncio.sleep(0)
        if self.gone:
            raise ConnectionError("the client is gone")
        self.told.append((done, total))

    def progress(self) -> Progress:
        return Progress(self.send, lambda: self.seconds)


async def test_notices_are_now_and_then_and_the_last_always() -> None:
    listener = Listener()
    progress = listener.progress()
    for done in range(1, 21):
        listener.seconds += EVERY_SECONDS / 8
        progress(done, 20)
    await progress.settle()
    assert listener.told == [(1, 20), (9, 20), (17, 20), (20, 20)]


async def test_notices_may_come_from_another_thread() -> None:
    listener = Listener()
    progress = listener.progress()
    await asyncio.to_thread(progress, 1, 2)
    await progress.settle()
    assert listener.told == [(1, 2)]


async def test_a_client_that_is_gone_stops_nothing() -> None:
    progress = Listener(gone=True).progress()
    progress(1, 1)
    await progress.settle()
    silent = Progress()
    silent(1, 1)
    await silent.settle()


@given(JSON, st.integers(0, 5))
def test_no_list_is_longer_and_every_cut_is_told(value: Any, most: int) -> None:
    shown, lengths = cut_lists({"item": value}, most)
    assert longest_list(shown) <= most
    assert set(lengths.values()) <= set(range(most + 1, 1 + max(most + 1, longest_list(value))))
    assert (shown == {"item": value}) is (not lengths)
    assert len(lengths) <= PATHS_NAMED


def test_a_list_is_named_by_where_it_is() -> None:
    value = {"gained": [{"names": ["a", "b", "c"]}, {"names": ["d"]}], "lost": ["x"]}
    shown, lengths = cut_lists(value, 1)
    assert shown == {"gained": [{"names": ["a"]}], "lost": ["x"]}
    assert lengths == {"gained": 2, "gained.names": 3}


def test_a_whole_text_stays_one_word_of_data() -> None:
    text = '{\n\t// "quoted"\r\n\t"acls": []}\n' * 100
    shown = quoted(text, text=True)
    assert "\n" not in shown
    assert json.loads(shown) == text.replace("\r\n", "\n")
    assert len(quoted(text)) < 2 * ARGUMENT_LIMIT
