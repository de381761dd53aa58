"""From text to the lossless tree, with the error texts of the reference implementation."""

from __future__ import annotations

import re
from typing import Any, NoReturn, cast

from tailscale_sdk.errors import HuJSONError
from tailscale_sdk.policy.hujson.tree import Kind, Member, Value

MAX_DEPTH = 1000
"""Objects and arrays within each other; a text nested deeper is refused."""

_COMMENT = r"//[^\n]*+\n|/\*(?:[^*]++|\*(?!/))*+\*/"
_ESCAPE = r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})'
_CHARACTERS = rf'(?:[^"\\\x00-\x1f]++|{_ESCAPE})*+'
# White space and comments, then at most one token; one match per token, no loop over characters.
_TOKEN = re.compile(
    rf"((?:[ \t\r\n]++|{_COMMENT})*+)"
    rf'("{_CHARACTERS}"'
    r"|-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?(?![0-9A-Za-z_.+-])"
    r"|(?:true|false|null)(?![0-9A-Za-z_])"
    r"|[{}\[\],:])?"
)
_STRING_BEGUN = re.compile(rf'"{_CHARACTERS}')
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_KINDS: dict[str, Kind] = {"{": "object", "[": "array"}
# Most values are literals: none of them needs lists of its own, and nothing can be added to this.
_NOTHING: list[Any] = cast("list[Any]", ())
_CLOSING = {"object": "}", "array": "]"}


def parse(text: str | bytes, *, unique_names: bool = False) -> Value:
    """Read HuJSON into a tree that gives back every byte.

    Args:
        text: HuJSON; bytes must be UTF-8.
        unique_names: refuse an object that names a member twice, as policies must.

    Raises:
        HuJSONError: it is not HuJSON; line and column (in bytes, from 1) say where.
    """
    source = text.decode("utf-8", "surrogateescape") if isinstance(text, bytes) else text
    tree = _Parser(source).document()
    if unique_names and (duplicates := tree.duplicates()):
        _refuse_duplicate(source, *duplicates[0])
    return tree


def _refuse_duplicate(source: str, pointer: str, first: Value, again: Value) -> NoReturn:
    raise HuJSONError(
        f"hujson: line {again.line}, column {again.column}: duplicate object member {pointer}"
        f" (first at line {first.line}, column {first.column})",
        line=again.line,
        column=again.column,
        offset=_offset(source, again.line, again.column),
    )


def _offset(source: str, line: int, column: int) -> int:
    start = 0
    for _ in range(line - 1):
        start = source.index("\n", start) + 1
    return start + len(source[start:].encode("utf-8")[: column - 1].decode("utf-8"))


class _Parser:
    """Hold the place in the text: the token read last and what stood before it."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._extra, self._token = "", ""
        self._start = self._end = 0
        self._line = self._column = self._next_column = 1
        self._ascii = source.isascii()
        broken = None if self._ascii else _SURROGATE.search(source)
        self._broken = broken.start() if broken else len(source) + 1

    def document(self) -> Value:
        """Read the one value of the text and everything in it, with an own stack of what is open."""
        self._next()
        root = self._value()
        inside = [root] if root.kind != "literal" else []
        while inside:
            if len(inside) > MAX_DEPTH:
                self._fail(self._start, f"nested deeper than {MAX_DEPTH} levels")
            composite = inside[-1]
            if self._token == _CLOSING[composite.kind]:
                self._close(inside.pop())
                if inside:
                    self._end_item(inside[-1], composite)
                continue
            value = self._item(composite)
            if value.kind == "literal":
                self._end_item(composite, value)
            else:
                inside.append(value)
        root.after = self._extra
        if self._start < len(self._source):
            self._invalid("after top-level value")
        return root

    def _next(self) -> None:
        """Move to the next token, remembering what stood before it and where it begins."""
        match = _TOKEN.match(self._source, self._end)
        extra, token = match.groups("")  # type: ignore[union-attr]  # every part may be empty: it always matches
        self._start, self._end = match.end(1), match.end()  # type: ignore[union-attr]
        self._extra, self._token = extra, token
        if extra:
            lines = extra.count("\n")
            self._line += lines
            width = self._bytes(extra[extra.rindex("\n") + 1 :] if lines else extra)
            self._column = width + 1 if lines else self._next_column + width
        else:
            self._column = self._next_column
        self._next_column = self._column + self._bytes(token)
        if self._broken < self._end:
            self._refuse_encoding(self._start - len(extra))
        if not token and self._source.startswith(("//", "/*"), self._start):
            self._fail(self._start, "parsing comment: unexpected EOF")

    def _bytes(self, text: str) -> int:
        return len(text) if self._ascii else _width(text)

    def _value(self) -> Value:
        """Read a literal, or the opening bracket of a composite."""
        token = self._token
        if not token or token in "}],:":
            self._refuse_value()
        kind = _KINDS.get(token)
        if kind is None:
            value = Value(
                "literal", token, _NOTHING, _NOTHING, self._extra, "", None, self._line, self._column
            )
        else:
            value = Value(kind, "", [], [], self._extra, "", None, self._line, self._column)
        self._next()
        return value

    def _item(self, composite: Value) -> Value:
        """Begin an element, or read the name of a member and begin its value."""
        if composite.kind == "array":
            value = self._value()
            composite.elements.append(value)
            return value
        if self._token[:1] != '"':
            self._refuse_name()
        name = self._value()
        name.after = self._extra
        if self._token != ":":
            if self._at_end():
                self._fail(self._start, "parsing object after name: unexpected EOF")
            self._invalid("after object name (expecting ':')")
        self._next()
        value = self._value()
        composite.members.append(Member(name, value))
        return value

    def _close(self, composite: Value) -> None:
        if not composite.items():
            composite.trailing = self._extra or None
        self._next()

    def _end_item(self, composite: Value, value: Value) -> None:
        """Read what follows an item: a comma, or the closing bracket, which is left for the caller."""
        value.after = self._extra
        closing = _CLOSING[composite.kind]
        if self._token == ",":
            self._next()
            composite.trailing = self._extra
        elif self._token == closing:
            composite.trailing = None
        elif self._at_end():
            self._fail(self._start, f"parsing {composite.kind} after value: unexpected EOF")
        else:
            self._invalid(f"after {composite.kind} value (expecting ',' or '{closing}')")

    def _at_end(self) -> bool:
        return self._start >= len(self._source)

    def _refuse_value(self) -> NoReturn:
        if self._at_end():
            self._fail(self._start, "parsing value: unexpected EOF")
        self._refuse_string()
        self._invalid("at start of value")

    def _refuse_name(self) -> NoReturn:
        if self._at_end():
            self._fail(self._start, "parsing value: unexpected EOF")
        self._refuse_string()
        self._invalid("at start of value" if self._token == "," else "at start of object name")

    def _refuse_string(self) -> None:
        """Say what is wrong inside a string that begins here."""
        begun = _STRING_BEGUN.match(self._source, self._start)
        if begun is None:
            return
        end = begun.end()
        if end >= len(self._source):
            self._fail(end, "parsing string: unexpected EOF")
        what = "escape sequence" if self._source[end] == "\\" else f"character {_quote(self._source[end])}"
        self._fail(end, f"invalid {what} in string")

    def _refuse_encoding(self, begin: int) -> NoReturn:
        """Point at the comment or string in which bytes are no text."""
        if self._broken >= self._start:
            self._fail(self._start, "invalid UTF-8 in string")
        comments = re.finditer(_COMMENT, self._source[begin : self._start])
        start = max(
            begin + comment.start() for comment in comments if begin + comment.start() <= self._broken
        )
        self._fail(start, "invalid UTF-8 in comment")

    def _invalid(self, where: str) -> NoReturn:
        self._fail(self._start, f"invalid character {_quote(self._source[self._start])} {where}")

    def _fail(self, position: int, message: str) -> NoReturn:
        before = self._source[:position]
        line = before.count("\n") + 1
        column = _width(before[before.rfind("\n") + 1 :]) + 1
        raise HuJSONError(
            f"hujson: line {line}, column {column}: {message}", line=line, column=column, offset=position
        )


def _width(text: str) -> int:
    """Count the bytes of a text; a byte that was no UTF-8 counts as one."""
    try:
        return len(text.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:
        return len(text.encode("utf-8", "surrogatepass"))


def _quote(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"'\\x{code - 0xDC00:02x}'"
    if character == "'":
        return "'\\''"
    if character.isprintable() and code not in {0xFFFE, 0xFFFF}:
        return f"'{character}'"
    short = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character)
    return f"'{short}'" if short else f"'\\u{code:04x}'" if code > 0xFF else f"'\\x{code:02x}'"
