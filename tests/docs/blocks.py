"""The code blocks of a Markdown file."""

from __future__ import annotations

import re
from pathlib import Path

from attrs import frozen

_BLOCK = re.compile(r"^```(?P<language>[a-z]*)\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE)


@frozen
class Block:
    """Hold one fenced block and where it stands."""

    file: str
    line: int
    language: str
    code: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


def blocks_of(path: Path) -> list[Block]:
    """Return every fenced block of a file.

    Args:
        path: a Markdown file.
    """
    text = path.read_text(encoding="utf-8")
    return [
        Block(path.name, text.count("\n", 0, match.start()) + 1, match["language"], match["code"])
        for match in _BLOCK.finditer(text)
    ]
