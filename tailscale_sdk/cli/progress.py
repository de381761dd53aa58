"""A bar on a terminal, nothing in a pipe."""

from __future__ import annotations

import sys
from typing import Final, TextIO

from attrs import define, field

_WIDTH: Final = 30


@define
class Bar:
    """Show on standard error how far a change has come; in a pipe or a log nothing is written.

    Args:
        what: what is counted, such as ``changes``.
        stream: where it is shown.
    """

    what: str
    stream: TextIO = field(factory=lambda: sys.stderr)
    _shown: bool = field(default=False, init=False)

    def __call__(self, done: int, total: int) -> None:
        """Show items done of items in all."""
        if not self.stream.isatty() or total < 2:
            return
        full = _WIDTH * done // total
        self.stream.write(f"\r[{'#' * full}{'.' * (_WIDTH - full)}] {done}/{total} {self.what}")
        self._shown = True
        if done == total:
            self.end()
        self.stream.flush()

    def end(self) -> None:
        """Leave the line, wherever the bar is."""
        if self._shown:
            self.stream.write("\n")
            self._shown = False
