"""The canonical layout: tabs, single spaces, aligned values; every comment stays where it belongs."""

from __future__ import annotations

import json
import re

from attrs import frozen

from tailscale_sdk.policy.hujson.tree import Member, Value

_COMMENT = re.compile(r"//[^\n]*|/\*(?:[^*]|\*(?!/))*\*/")


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
class Extra:
    """Hold the comments between two tokens, and the line ends after the last one."""

    comments: tuple[Comment, ...]
    lines_after: int

    @property
    def breaks(self) -> bool:
        """Tell whether what follows starts on another line."""
        return self.lines_after > 0 or any(c.lines_before or c.ends_line for c in self.comments)


def read_extra(text: str) -> Extra:
    """Split what stands between two tokens into comments and line ends."""
    comments, position = [], 0
    for match in _COMMENT.finditer(text):
        comments.append(Comment(match[0].rstrip(), text.count("\n", position, match.start())))
        position = match.end()
    return Extra(tuple(comments), text.count("\n", position))


def format_value(root: Value) -> str:
    """Return the canonical text of a document, with one final newline."""
    writer = _Writer(standard=root.is_standard())
    writer.document(root)
    return writer.text() + "\n"


class _Writer:
    def __init__(self, *, standard: bool) -> None:
        self._parts: list[str] = []
        self._standard = standard

    def text(self) -> str:
        """Return what was written, without white space at line ends."""
        return re.sub(r"[ \t]+(?=\n|$)", "", "".join(self._parts))

    def document(self, root: Value) -> None:
        """Write the outermost value with the comments around it."""
        self._lead(read_extra(root.before), 0, opening=True)
        self._value(root, 0)
        self._tail(read_extra(root.after), 0)

    def _value(self, value: Value, depth: int) -> None:
        if value.kind == "literal":
            self._parts.append(_canonical(value.literal))
            return
        opening, closing = ("{", "}") if value.kind == "object" else ("[", "]")
        self._parts.append(opening)
        if not value.children():
            self._empty(read_extra(value.trailing or ""), depth)
        elif _is_multiline(value):
            self._lines(value, depth + 1)
        else:
            self._one_line(value, depth)
        self._parts.append(closing)

    def _empty(self, inside: Extra, depth: int) -> None:
        if not inside.comments:
            return
        self._tail(inside, depth + 1)
        self._parts.append("\n" + "\t" * depth if inside.breaks else " ")

    def _one_line(self, value: Value, depth: int) -> None:
        items = _items(value)
        for index, item in enumerate(items):
            first = item.name if isinstance(item, Member) else item
            before = read_extra(first.before)
            self._parts.append(" " if index and not before.comments else "")
            self._inline(before.comments, leading=True)
            self._parts.append(" " if before.comments else "")
            self._item(item, depth, 0)
            after = read_extra(_last(item).after)
            self._inline(after.comments, leading=True)
            self._parts.append(" " if after.comments else "")
            if index < len(items) - 1:
                self._parts.append(",")
        trailing = read_extra(value.trailing or "")
        if trailing.comments:
            self._parts.append(",")
            self._inline(trailing.comments, leading=True)
            self._parts.append(" ")

    def _lines(self, value: Value, depth: int) -> None:
        """Write one item after the other, each on the line it had, and the bracket on its own."""
        items = _items(value)
        widths = _name_widths(value)
        for index, item in enumerate(items):
            first = item.name if isinstance(item, Member) else item
            before = read_extra(first.before)
            self._between(before, depth, opening=index == 0)
            self._item(item, depth, widths.get(index, 0))
            last = index == len(items) - 1
            after = read_extra(_last(item).after)
            if not last or not self._standard:
                self._parts.append(",")
            self._tail(after, depth)
        self._tail(read_extra(value.trailing or ""), depth)
        self._parts.append("\n" + "\t" * (depth - 1))

    def _item(self, item: Member | Value, depth: int, width: int) -> None:
        if isinstance(item, Value):
            self._value(item, depth)
            return
        name = _canonical(item.name.literal)
        self._parts.append(name)
        between, before = read_extra(item.name.after), read_extra(item.value.before)
        self._tail(Extra(tuple(Comment(c.text, 0) for c in between.comments), 0), depth + 1)
        broken = bool(between.comments) and between.comments[-1].ends_line
        self._parts.append("\n" + "\t" * (depth + 1) if broken else " " if between.comments else "")
        self._parts.append(":")
        self._tail(Extra(tuple(Comment(c.text, 0) for c in before.comments), 0), depth + 1)
        broken = bool(before.comments) and before.comments[-1].ends_line
        self._parts.append("\n" + "\t" * (depth + 1) if broken else " " + " " * max(0, width - len(name)))
        self._value(item.value, depth + 1 if broken else depth)

    def _inline(self, comments: tuple[Comment, ...], *, leading: bool) -> None:
        for comment in comments:
            self._parts.append((" " if leading else "") + comment.text)

    def _lead(self, extra: Extra, depth: int, *, opening: bool) -> None:
        """Write comments before a value that starts the document."""
        for index, comment in enumerate(extra.comments):
            ended = index > 0 and extra.comments[index - 1].ends_line
            if index or not opening:
                self._parts.append(_line_ends(comment.lines_before, ended, depth) or " ")
            self._parts.append(_reindent(comment.text, depth))
        if extra.comments:
            self._parts.append(_line_ends(extra.lines_after, extra.comments[-1].ends_line, depth) or " ")

    def _between(self, extra: Extra, depth: int, *, opening: bool) -> None:
        """Write comments before an item: those on the line of the item before stay there."""
        ended, written = False, opening
        for comment in extra.comments:
            line = _line_ends(comment.lines_before, ended, depth)
            if written and line and opening:
                line = "\n" + "\t" * depth
            self._parts.append((line or " ") + _reindent(comment.text, depth))
            ended, written, opening = comment.ends_line, True, False
        fresh = opening and not extra.comments
        line = _line_ends(max(extra.lines_after, 1) if fresh else extra.lines_after, ended, depth)
        self._parts.append("\n" + "\t" * depth if fresh else line or " ")

    def _tail(self, extra: Extra, depth: int) -> None:
        """Write comments after a value, each on the line it had."""
        ended = False
        for comment in extra.comments:
            self._parts.append(
                (_line_ends(comment.lines_before, ended, depth) or " ") + _reindent(comment.text, depth)
            )
            ended = comment.ends_line


def _items(value: Value) -> list[Member | Value]:
    return [*value.members, *value.elements]


def _ends_line(extra: str) -> bool:
    return any(comment.ends_line for comment in read_extra(extra).comments)


def _last(item: Member | Value) -> Value:
    return item.value if isinstance(item, Member) else item


def _line_ends(count: int, ended: bool, depth: int) -> str:
    """Return the line break before something: none, one, or one blank line."""
    lines = max(count, 1) if ended else count
    return "\n" * min(lines, 2) + "\t" * depth if lines else ""


def _is_multiline(value: Value) -> bool:
    items = _items(value)
    firsts = [item.name if isinstance(item, Member) else item for item in items]
    inner = [m for m in value.members if _ends_line(m.name.after) or _ends_line(m.value.before)]
    edges = [_last(items[-1]).after, value.trailing or ""]
    if any("\n" in first.before for first in firsts) or any("\n" in edge for edge in edges) or inner:
        return True
    return any(_ends_line(_last(item).after) for item in items) or any(
        child.children() and _is_multiline(child) for child in value.children() if len(items) > 1
    )


def _name_widths(value: Value) -> dict[int, int]:
    """Return, by index, the width names are filled up to, so that values of neighbouring lines align."""
    widths: dict[int, int] = {}
    block: list[int] = []

    def close() -> None:
        width = max((len(_canonical(value.members[i].name.literal)) for i in block), default=0)
        widths.update(dict.fromkeys(block, width))
        block.clear()

    for index, member in enumerate(value.members):
        before = read_extra(member.name.before)
        blank = before.lines_after > 1 or any(c.lines_before > 1 for c in before.comments)
        plain = not _COMMENT.search(member.name.after + member.value.before)
        single = not (member.value.children() and _is_multiline(member.value)) and plain
        if blank or not single or not (before.breaks or index == 0):
            close()
        if single and (before.breaks or index == 0):
            block.append(index)
    close()
    return widths


def _canonical(literal: str) -> str:
    """Write a string with the fewest escapes; numbers and words stay."""
    if not literal.startswith('"') or "\\" not in literal:
        return literal
    text = json.loads(literal)
    if any("\ud800" <= character <= "\udfff" for character in text):
        return literal
    return json.dumps(text, ensure_ascii=False)


def _common_prefix(indents: list[str]) -> str:
    """Return the longest beginning that all share."""
    shortest, longest = (min(indents), max(indents)) if indents else ("", "")
    same = next((i for i, c in enumerate(shortest) if c != longest[i]), len(shortest))
    return shortest[:same]


def _reindent(comment: str, depth: int) -> str:
    """Indent the lines of a block comment like the code around it."""
    if "\n" not in comment:
        return comment
    first, *rest = comment.replace("\r", "").split("\n")
    inner = [line for line in rest[:-1] if line.strip()]
    closing = rest[-1].strip()
    common = _common_prefix([line[: len(line) - len(line.lstrip())] for line in inner])
    stripped = [line[len(common) :] if line.strip() else "" for line in rest[:-1]]
    if closing != "*/":
        stripped.append(rest[-1].strip())
    starred = (
        bool(inner) and all(line.startswith("*") for line in stripped if line) and closing.startswith("*")
    )
    margin = "\t" * depth + (" " if starred else "")
    lines = [margin + line.rstrip() if line else "" for line in stripped]
    if closing == "*/":
        lines.append(margin + closing)
    return "\n".join([first.rstrip(), *lines])
