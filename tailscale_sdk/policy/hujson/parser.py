"""From text to the lossless tree, with the error texts of the reference implementation."""

from __future__ import annotations

import re
from typing import NoReturn

from tailscale_sdk.errors import HuJSONError
from tailscale_sdk.policy.hujson.tree import Member, Value

MAX_DEPTH = 200
# White space and comments, then at most one token; one match per token, no loop over characters.
_TOKEN = re.compile(
    r"(?P<extra>(?:[ \t\r\n]+|//[^\n]*\n|/\*(?:[^*]|\*(?!/))*\*/)*)"
    r'(?:(?P<string>"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")'
    r"|(?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)(?![0-9A-Za-z_.+-])"
    r"|(?P<word>(?:true|false|null)(?![0-9A-Za-z_]))"
    r"|(?P<mark>[{}\[\],:]))?"
)
_SURROGATE = re.compile(r"[\ud800-\udfff]")


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
    if unique_names and (twice := tree.duplicate_names()):
        raise HuJSONError(f"hujson: the member {twice[0]} stands twice in its object")
    return tree


class _Parser:
    def __init__(self, source: str) -> None:
        self._source, self._position = source, 0
        self._extra, self._kind, self._token, self._start = "", "", "", 0

    def document(self) -> Value:
        self._next()
        value = self._value(0)
        value.after = self._extra
        if self._kind or self._start < len(self._source):
            self._invalid("after top-level value")
        return value

    def _next(self) -> None:
        """Move to the next token, remembering what stood before it."""
        match = _TOKEN.match(self._source, self._position)
        if match is None:  # every part of the expression may be empty, so it always matches
            self._fail(self._position, "unreadable")
        self._extra = match["extra"]
        self._start = match.end("extra")
        self._kind = match.lastgroup if match.lastgroup not in {None, "extra"} else ""
        self._token = self._source[self._start : match.end()]
        self._position = match.end()
        if bad := _SURROGATE.search(self._source, match.start(), match.end()):
            where = self._comment_start(bad.start()) if bad.start() < self._start else self._start
            self._fail(where, f"invalid UTF-8 in {'comment' if bad.start() < self._start else 'string'}")
        if not self._kind and self._source.startswith(("//", "/*"), self._start):
            self._fail(self._start, "parsing comment: unexpected EOF", at_end=True)

    def _value(self, depth: int) -> Value:
        if depth > MAX_DEPTH:
            self._fail(self._start, f"nested deeper than {MAX_DEPTH} levels")
        before = self._extra
        if self._kind in {"string", "number", "word"}:
            value = Value("literal", self._token, before=before)
            self._next()
            return value
        if self._token == "{" and self._kind:
            return self._composite(Value("object", before=before), depth)
        if self._token == "[" and self._kind:
            return self._composite(Value("array", before=before), depth)
        if self._at_end():
            self._fail(self._start, "parsing value: unexpected EOF")
        self._refuse_start()
        return self._invalid("at start of value")

    def _composite(self, value: Value, depth: int) -> Value:
        """Read members or elements up to the closing bracket."""
        closing = "}" if value.kind == "object" else "]"
        items: list[Member] | list[Value] = value.members if value.kind == "object" else value.elements
        self._next()
        while not (self._kind == "mark" and self._token == closing):
            items.append(self._member(depth) if value.kind == "object" else self._value(depth + 1))  # type: ignore[arg-type]
            last = items[-1].value if isinstance(items[-1], Member) else items[-1]
            last.after = self._extra
            if self._kind == "mark" and self._token == ",":
                self._next()
                value.trailing = self._extra
            elif self._kind == "mark" and self._token == closing:
                value.trailing = None
            elif self._at_end():
                self._fail(self._start, f"parsing {value.kind} after value: unexpected EOF")
            else:
                self._invalid(f"after {value.kind} value (expecting ',' or '{closing}')")
        if not items:
            value.trailing = self._extra or None
        self._next()
        return value

    def _member(self, depth: int) -> Member:
        if self._at_end():
            self._fail(self._start, "parsing value: unexpected EOF")
        if self._kind != "string":
            if self._token == "," and self._kind:
                self._invalid("at start of value")
            self._refuse_start()
            self._invalid("at start of object name")
        name = Value("literal", self._token, before=self._extra)
        self._next()
        name.after = self._extra
        if self._at_end():
            self._fail(self._start, "parsing object after name: unexpected EOF")
        if self._token != ":":
            self._invalid("after object name (expecting ':')")
        self._next()
        return Member(name, self._value(depth + 1))

    def _at_end(self) -> bool:
        return not self._kind and self._start >= len(self._source)

    def _refuse_start(self) -> None:
        """Say what is wrong inside a string that begins here."""
        if not self._source.startswith('"', self._start):
            return
        inside = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*').match(
            self._source, self._start
        )
        end = inside.end() if inside else self._start
        if end >= len(self._source):
            self._fail(self._start, "parsing string: unexpected EOF", at_end=True)
        what = "escape sequence" if self._source[end] == "\\" else f"character {_quote(self._source[end])}"
        self._fail(end, f"invalid {what} in string")

    def _invalid(self, where: str) -> NoReturn:
        self._fail(self._start, f"invalid character {_quote(self._source[self._start])} {where}")

    def _comment_start(self, position: int) -> int:
        found = [
            m.start() for m in re.finditer(r"//[^\n]*|/\*(?:[^*]|\*(?!/))*\*/", self._source[: position + 1])
        ]
        return found[-1] if found else position

    def _fail(self, position: int, message: str, *, at_end: bool = False) -> NoReturn:
        if at_end and message.startswith("parsing comment"):
            position = self._start
        before = self._source[:position]
        if at_end and message.startswith("parsing string"):
            before = self._source
        line = before.count("\n") + 1
        column = len(before[before.rfind("\n") + 1 :].encode("utf-8", "surrogateescape")) + 1
        raise HuJSONError(
            f"hujson: line {line}, column {column}: {message}", line=line, column=column, offset=position
        )


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
