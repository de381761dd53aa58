"""How far a plan has come while its items are applied: which may begin, and what became of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import evolve

from tailscale_sdk.changes.model import ItemReport, PlannedItem
from tailscale_sdk.errors import StateError

Progress = Callable[[int, int], None]


class Course:
    """Keep the reports of a plan's items, and stop what has not begun when it is time to.

    Args:
        items: of the plan, with what guards say now.
        stop_on_error: begin nothing more once an item failed or its outcome is unknown.
        progress: called with items done and items in all.
    """

    def __init__(
        self, items: Sequence[PlannedItem], stop_on_error: bool, progress: Progress | None = None
    ) -> None:
        self.items, self.stop_on_error, self._progress = items, stop_on_error, progress
        self.state_error: StateError | None = None
        self._reports: dict[int, ItemReport] = {}
        self._broken: str | None = None
        self._held_back: set[int] = set()

    @property
    def reports(self) -> list[ItemReport]:
        """Return what became of each item so far, in the order of the plan."""
        return [self._reports[place] for place in sorted(self._reports)]

    def turns(self) -> list[list[int]]:
        """Return the places of items that must follow each other: all of them, or those of one target each."""
        if self.stop_on_error:
            return [list(range(len(self.items)))]
        by_target: dict[str, list[int]] = {}
        for place, item in enumerate(self.items):
            by_target.setdefault(item.target.key, []).append(place)
        return list(by_target.values())

    def admitted(self, place: int) -> PlannedItem:
        """Return an item as it is to be applied now; skipped where something before it went wrong."""
        item = self.items[place]
        if self._broken is not None and item.status == "planned":
            self._held_back.add(place)
            return evolve(item, status="skipped", reason=self._broken)
        return item

    def lose_state(self, place: int, error: StateError) -> None:
        """Begin nothing more: this machine can keep nothing."""
        self.state_error = self.state_error or error
        self._broken = self._broken or f"not begun: after item {place} this machine could keep nothing more"

    def note(self, report: ItemReport) -> None:
        """Keep the report of an item."""
        self._reports[report.index] = evolve(report, held_back=report.index in self._held_back)
        if report.outcome in {"failed", "unknown"} and self.stop_on_error and self._broken is None:
            self._broken = f"not begun: item {report.index} ended as {report.outcome}"
        if self._progress is not None:
            self._progress(len(self._reports), len(self.items))
