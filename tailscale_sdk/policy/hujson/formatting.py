"""The canonical layout: tabs, single spaces, aligned values; every comment stays where it belongs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from tailscale_sdk.policy.hujson.comments import Comment, Gap, read_gap, reindent
from tailscale_sdk.policy.hujson.tree import Member, Value, first_of, last_of

_SURROGATE = re.compile(r"[\ud800-\udfff]")
# A step of the writer yields the steps inside it: the stack of what is open is a list, not Python's.
Steps = Iterator["Steps"]


def format_value(root: Value) -> str:
    """Return the canonical text of a document, with one final newline."""
    writer = _Writer(root)
    waiting = [writer.document(root)]
    while waiting:
        inner = next(waiting[-1], None)
        if inner is None:
            waiting.pop()
        else:
            waiting.append(inner)
    return writer.text()


class _Writer:
    def __init__(self, root: Value) -> None:
        self._parts: list[str] = []
        self._line_must_end = False
        self._standard = root.is_standard()
        self._on_lines = _on_lines(root)

    def text(self) -> str:
        """Return what was written, with one final newline."""
        return "".join(self._parts) + "\n"

    def _put(self, text: str, lines: int, depth: int, *, space: bool = True) -> None:
        """Write a token after line ends and indentation, after a space, or at once."""
        if lines or self._line_must_end:
            self._parts.append("\n" * min(max(lines, 1), 2) + "\t" * depth)
        elif space:
            self._parts.append(" ")
        self._parts.append(text)
        self._line_must_end = False

    def _comment(self, comment: Comment, lines: int, depth: int, *, space: bool = True) -> None:
        self._put(reindent(comment.text, depth), lines, depth, space=space)
        self._line_must_end = comment.ends_line

    def document(self, root: Value) -> Steps:
        """Write the outermost value with the comments around it."""
        before = read_gap(root.before)
        for index, comment in enumerate(before.comments):
            self._comment(comment, comment.lines_before if index else 0, 0, space=index > 0)
        lead = bool(before.comments)
        yield self._value(root, 0, before.lines_after if lead else 0, space=lead)
        for comment in read_gap(root.after).comments:
            self._comment(comment, comment.lines_before, 0)

    def _value(self, value: Value, depth: int, lines: int, *, space: bool) -> Steps:
        if value.kind == "literal":
            self._put(_canonical(value.literal), lines, depth, space=space)
            return
        opening, closing = "{}" if value.kind == "object" else "[]"
        self._put(opening, lines, depth, space=space)
        if not value.items():
            self._nothing(read_gap(value.trailing), closing, depth)
        elif id(value) in self._on_lines:
            yield self._lines(value, closing, depth)
        else:
            yield self._row(value, closing, depth)

    def _nothing(self, inside: Gap, closing: str, depth: int) -> None:
        """Write the comments of an empty object or array."""
        self._gap(inside, depth + 1, opening=True)
        broken = bool(inside.comments) and inside.breaks
        self._put(closing, int(broken), depth, space=bool(inside.comments))

    def _row(self, value: Value, closing: str, depth: int) -> Steps:
        """Write all items on one line; a comment stays on its side of the comma."""
        items, trailing = value.items(), read_gap(value.trailing)
        for index, item in enumerate(items):
            before, after = read_gap(first_of(item).before), read_gap(last_of(item).after)
            for comment in before.comments:
                self._comment(comment, 0, depth)
            yield self._item(item, depth, 0, 0, space=bool(index or before.comments))
            for comment in after.comments:
                self._comment(comment, 0, depth)
            if index < len(items) - 1 or trailing.comments:
                self._put(",", 0, depth, space=bool(after.comments))
        for comment in trailing.comments:
            self._comment(comment, 0, depth)
        self._put(closing, 0, depth, space=bool(after.comments or trailing.comments))

    def _lines(self, value: Value, closing: str, depth: int) -> Steps:
        """Write items on the lines they had, the bracket on its own; comments follow the comma."""
        items, gaps = value.items(), _gaps(value)
        widths = _name_widths(value, gaps, self._on_lines)
        for index, item in enumerate(items):
            lines = self._gap(gaps[index], depth + 1, opening=index == 0)
            yield self._item(item, depth + 1, lines, widths.get(index, 0), space=True)
            if index < len(items) - 1 or not self._standard:
                self._put(",", 0, depth, space=False)
        self._gap(gaps[-1], depth + 1, opening=False)
        self._put(closing, 1, depth)

    def _gap(self, gap: Gap, depth: int, *, opening: bool) -> int:
        """Write comments between items and return how many line ends come before the next one."""
        for index, comment in enumerate(gap.comments):
            first = opening and index == 0
            self._comment(comment, min(comment.lines_before, 1) if first else comment.lines_before, depth)
        return 1 if opening and not gap.comments else gap.lines_after

    def _item(self, item: Member | Value, depth: int, lines: int, width: int, *, space: bool) -> Steps:
        """Write an element or a member; after a line comment inside, the member goes on further right."""
        if isinstance(item, Value):
            yield self._value(item, depth, lines, space=space)
            return
        name = _canonical(item.name.literal)
        self._put(name, lines, depth, space=space)
        after_name, before_value = read_gap(item.name.after), read_gap(item.value.before)
        for comment in after_name.comments:
            self._comment(comment, 0, depth + 1)
        self._put(":", 0, depth + 1, space=bool(after_name.comments))
        for comment in before_value.comments:
            self._comment(comment, 0, depth + 1)
        self._parts.append(" " * (width - len(name)))
        yield self._value(item.value, depth + self._line_must_end, 0, space=True)


def _gaps(value: Value) -> list[Gap]:
    """Return the gap before each item and the one before the closing bracket, commas left out."""
    items = value.items()
    befores = [*(read_gap(first_of(item).before) for item in items), read_gap(value.trailing)]
    afters = [Gap(), *(read_gap(last_of(item).after) for item in items)]
    return [after.then(before) for after, before in zip(afters, befores, strict=True)]


def _on_lines(root: Value) -> set[int]:
    """Return the identities of the objects and arrays that are written over several lines."""
    found: set[int] = set()
    for value in reversed(list(root.walk())):
        if value.items() and _breaks(value, found):
            found.add(id(value))
    return found


def _breaks(value: Value, on_lines: set[int]) -> bool:
    items = value.items()
    edges = [*(first_of(item).before for item in items), last_of(items[-1]).after, value.trailing]
    if any(edge and "\n" in edge and read_gap(edge).breaks for edge in edges):
        return True
    inner = [last_of(item).after for item in items]
    inner += [part for member in value.members for part in (member.name.after, member.value.before)]
    if any("//" in part and any(c.ends_line for c in read_gap(part).comments) for part in inner):
        return True
    return len(items) > 1 and any(id(child) in on_lines for child in value.children())


def _name_widths(value: Value, gaps: list[Gap], on_lines: set[int]) -> dict[int, int]:
    """Return, by index, the width names are filled up to, so that values of neighbouring lines align."""
    widths: dict[int, int] = {}
    block: list[int] = []

    def close() -> None:
        width = max((len(_canonical(value.members[index].name.literal)) for index in block), default=0)
        widths.update(dict.fromkeys(block, width))
        block.clear()

    for index, member in enumerate(value.members):
        gap = gaps[index]
        starts_line = gap.lines_after > 0 or (index == 0 and not gap.comments)
        alignable = (
            starts_line
            and id(member.value) not in on_lines
            and "/" not in member.name.after + member.value.before
        )
        if gap.has_blank_line or not alignable:
            close()
        if alignable:
            block.append(index)
    close()
    return widths


def _canonical(literal: str) -> str:
    """Write a string with the fewest escapes; numbers and words stay."""
    if not literal.startswith('"') or "\\" not in literal:
        return literal
    text = json.loads(literal)
    return literal if _SURROGATE.search(text) else json.dumps(text, ensure_ascii=False)
