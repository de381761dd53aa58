"""Where an item goes in and comes out: its own comments move with it, all others keep their place.

Between two items stands a gap. What of it is on the line of the item before, up to the line's end, is
the *head*: it belongs to that item, or to the opening bracket. The *rest* belongs to the item after.
"""

from __future__ import annotations

import re
from typing import Any

from attrs import frozen

from tailscale_sdk.policy.hujson.tree import Member, Value, first_of, last_of

_BLOCK = r"/\*(?:[^*]++|\*(?!/))*+\*/"
_HEAD = re.compile(rf"(?:[ \t\r]++|{_BLOCK})*+(?://[^\n]*+)?\n")
_COMMENTS = re.compile(rf"(?:[ \t\r\n]*+(?://[^\n]*+\n|{_BLOCK}))*+")
_INDENT = re.compile(r"(?<![ \t])[ \t]*+\Z")


@frozen
class Own:
    """Hold the comments that belong to an item: the lines above it, and the note at its line's end."""

    above: str = ""
    note: str = ""


def insert(parent: Value, index: int, item: Member | Value, own: Own | None = None) -> None:
    """Put an item before the one at an index, or at the end.

    Args:
        parent: the object or array.
        index: from 0 to the number of items.
        item: what comes in, with nothing around it.
        own: comments it brings along.
    """
    own = own or Own()
    items: list[Any] = parent.members if parent.kind == "object" else parent.elements
    new = first_of(item)
    if not items:
        _into_empty(parent, item, own)
    elif index < len(items):
        following = first_of(items[index])
        new.before, following.before = _ahead(following.before, own)
    elif parent.trailing is not None:
        new.before, parent.trailing = _behind(parent.trailing, first_of(items[-1]).before, own)
    else:
        last = last_of(items[-1])
        last.after, new.before, last_of(item).after = _at_end(last.after, first_of(items[-1]).before, own)
    if new.before == "" and index == len(items) > 1:
        # On one line it stands off the comma as far as the one before it does.
        model = first_of(items[-1]).before
        new.before = model if not model.strip(" \t") else ""
    items.insert(index, item)


def remove(parent: Value, index: int) -> Own:
    """Take an item out and return the comments that belong to it."""
    items: list[Any] = parent.members if parent.kind == "object" else parent.elements
    gone = items.pop(index)
    before, after = first_of(gone).before, last_of(gone).after
    if not items:
        gap = after if parent.trailing is None else parent.trailing
        parent.trailing = _join(before, gap) or None
    elif index < len(items):
        following = first_of(items[index])
        gap, following.before = following.before, _join(before, following.before, keep_place=True)
    elif parent.trailing is not None:
        gap, parent.trailing = parent.trailing, _join(before, parent.trailing)
    else:
        gap = after
        last_of(items[-1]).after += _closing(before, after)
    return _own(before, gap)


def _split(gap: str) -> tuple[str, str]:
    """Return head and rest of a gap; there is no head where all is on one line."""
    head = _HEAD.match(gap)
    return (gap[: head.end()], gap[head.end() :]) if head else ("", gap)


def _indent(gap: str) -> str:
    found = _INDENT.search(gap)
    return found[0] if found else ""


def _line_end(head: str) -> str:
    return "\r\n" if head.endswith("\r\n") else "\n"


def _ahead(gap: str, own: Own) -> tuple[str, str]:
    """Return the gaps before and after what comes in ahead of an item."""
    head, rest = _split(gap)
    if not (head or own.above or own.note):
        return "", gap
    end = _line_end(head)
    return (head or end) + own.above + _indent(rest), (own.note or (end if head else "")) + rest


def _behind(gap: str, model: str, own: Own) -> tuple[str, str]:
    """Return the gaps before and after what comes in behind the last comma; model is how the last item began."""
    head, rest = _split(gap)
    own_line = head and _split(model)[0]
    if not (own_line or "/" in head or own.above or own.note):
        return "", gap
    end = _line_end(head)
    return (head or end) + own.above + _indent(model), (own.note or end) + rest


def _at_end(gap: str, model: str, own: Own) -> tuple[str, str, str]:
    """Return what stands after the former last item, before and after the new one; no comma ends it."""
    head, rest = _split(gap)
    if own.above or own.note or "/" in head:
        end = _line_end(head)
        return "", (head or end) + own.above + _indent(model), (own.note or end) + rest
    if head:
        return "", "", gap
    comments = _COMMENTS.match(gap)
    end_of_comments = comments.end() if comments else 0
    return gap[:end_of_comments], "", gap[end_of_comments:]


def _into_empty(parent: Value, item: Member | Value, own: Own) -> None:
    gap, parent.trailing = parent.trailing or "", None
    head, rest = _split(gap)
    if head or own.above or own.note:
        end = _line_end(head)
        first_of(item).before = (head or end) + own.above + _indent(rest) + "\t"
        last_of(item).after = (own.note or end) + rest
    else:
        last_of(item).after = gap


def _join(removed: str, following: str, *, keep_place: bool = False) -> str:
    """Make one gap of the two around a removed item."""
    head, above = _split(removed)
    note, rest = _split(following)
    if head and note:
        return head + rest
    if head and keep_place:
        return head + _indent(above) + following.lstrip(" \t")
    return head + following.lstrip(" \t") if "/" in head else following


def _closing(before: str, after: str) -> str:
    """Return what stands before the bracket when the last item goes and no comma ends the one before."""
    head, _ = _split(before)
    note, rest = _split(after)
    if "/" in head:
        return head + (rest if note else after.lstrip(" \t"))
    return _line_end(note) + rest if "/" in note else after


def _own(before: str, gap: str) -> Own:
    """Tell which comments around a removed item are its own; only an item on its own line has any."""
    head, rest = _split(before)
    if not head:
        return Own()
    above = rest[: len(rest) - len(_indent(rest))] if "/" in rest else ""
    note = _split(gap)[0]
    return Own(above if above.endswith("\n") else "", note if "/" in note else "")
