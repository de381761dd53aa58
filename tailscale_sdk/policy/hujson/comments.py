"""Comments between two tokens: which there are, on which lines, and how a block comment is indented."""

from __future__ import annotations

import re

from attrs import evolve, frozen

_COMMENT = re.compile(r"//[^\n]*+|/\*(?:[^*]++|\*(?!/))*+\*/")


@frozen
class Comment:
    """Hold one comment and how many line ends stand before it."""

    text: str
    lines_before: int

    @property
    def ends_line(self) -> bool:
        """Tell whether nothing can follow on the same line."""
        return self.text.startswith("//")


@frozen
class Gap:
    """Hold the comments between two tokens, and the line ends after the last one."""

    comments: tuple[Comment, ...] = ()
    lines_after: int = 0

    @property
    def breaks(self) -> bool:
        """Tell whether there is a line end outside of the comments."""
        return self.lines_after > 0 or any(comment.lines_before for comment in self.comments)

    @property
    def has_blank_line(self) -> bool:
        """Tell whether there is an empty line outside of the comments."""
        return self.lines_after > 1 or any(comment.lines_before > 1 for comment in self.comments)

    def then(self, following: Gap) -> Gap:
        """Return one gap of two that a comma parted; without comments its own line ends do not count."""
        if not self.comments:
            return following
        if not following.comments:
            return Gap(self.comments, self.lines_after + following.lines_after)
        first, *others = following.comments
        first = evolve(first, lines_before=first.lines_before + self.lines_after)
        return Gap((*self.comments, first, *others), following.lines_after)


_PLAIN = tuple(Gap((), lines) for lines in range(3))


def read_gap(text: str | None) -> Gap:
    """Split what stands between two tokens into comments and line ends."""
    if text is None or "/" not in text:
        return _PLAIN[min((text or "").count("\n"), 2)]
    comments, position = [], 0
    for match in _COMMENT.finditer(text):
        comments.append(Comment(match[0].rstrip(" \t\r"), text.count("\n", position, match.start())))
        position = match.end()
    return Gap(tuple(comments), text.count("\n", position))


def reindent(comment: str, depth: int) -> str:
    """Indent the lines of a block comment like the code around it; how they relate to each other stays."""
    if "\n" not in comment:
        return comment
    first, *inner, last = (line.rstrip(" \t") for line in comment.replace("\r", "").split("\n"))
    closing = last.lstrip(" \t")
    common = _common_indent([line for line in inner if line])
    inner = [line[len(common) :] for line in inner]
    starred = any(inner) and closing.startswith("*") and all(line.startswith("*") for line in inner if line)
    margin = "\t" * depth + (" " if starred else "")
    return "\n".join([first, *(margin + line if line else "" for line in inner), margin + closing])


def _common_indent(lines: list[str]) -> str:
    """Return the longest run of blanks that all lines begin with."""
    if not lines:
        return ""
    smallest, largest = min(lines), max(lines)
    end = 0
    while end < len(smallest) and smallest[end] == largest[end] and smallest[end] in " \t":
        end += 1
    return smallest[:end]
