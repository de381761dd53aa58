"""Random HuJSON for property tests: every place a comment may stand, every way of ending a line."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

_BLANKS = st.text(alphabet=" \t", max_size=2)
_LINE_ENDS = st.sampled_from(["\n", "\r\n", "\n\n", "\n\n\n"])
_WORDS = st.sampled_from(["", "note", " why ", "ü😀", "a,b]}", '"', "/", "* x", "//", "\t"])
_BLOCKS = st.lists(_WORDS, max_size=3).map(lambda lines: "/*" + "\n".join(lines).replace("*/", "") + "*/")
_LINES = st.tuples(_WORDS, st.sampled_from(["\n", "\r\n"])).map(lambda parts: f"//{parts[0]}{parts[1]}")
EXTRAS = st.one_of(
    st.just(""),
    _BLANKS,
    _LINE_ENDS,
    st.lists(st.one_of(_BLANKS, _LINE_ENDS, _BLOCKS, _LINES), max_size=4).map("".join),
)
_STRINGS = st.one_of(st.text(max_size=6), st.sampled_from(["a", "b", "name", "na/me", "~", ""]))
_LITERALS = st.one_of(
    _STRINGS.map(json.dumps),
    _STRINGS.map(lambda text: json.dumps(text, ensure_ascii=False)).filter(lambda text: text.isprintable()),
    st.sampled_from(
        ["null", "true", "false", "0", "-0", "1.50", "1E+2", "12345678901234567890", '"\\u000A\\/"']
    ),
)


@st.composite
def _composites(draw: st.DrawFn, inner: st.SearchStrategy[str], *, unique: bool) -> str:
    extra = lambda: draw(EXTRAS)  # noqa: E731  # one letter less to read, eight times
    items = draw(st.lists(inner, max_size=4))
    braces = draw(st.booleans())
    if braces:
        names = draw(
            st.lists(_STRINGS, min_size=len(items), max_size=len(items), unique=True)
            if unique
            else st.lists(_STRINGS, min_size=len(items), max_size=len(items))
        )
        items = [
            f"{json.dumps(name)}{extra()}:{extra()}{item}" for name, item in zip(names, items, strict=True)
        ]
    inside = ",".join(f"{extra()}{item}{extra()}" for item in items)
    if not items or draw(st.booleans()):
        inside += ("," if items else "") + extra()
    return f"{{{inside}}}" if braces else f"[{inside}]"


def _nested(*, unique: bool) -> st.SearchStrategy[str]:
    values = st.recursive(_LITERALS, lambda inner: _composites(inner, unique=unique), max_leaves=12)
    return st.tuples(EXTRAS, values, EXTRAS).map("".join)


TEXTS = _nested(unique=True)
TEXTS_WITH_DUPLICATES = _nested(unique=False)


def without_last_comma(text: str) -> Any:
    """Return what a text says, read by Python's own JSON after a naive scan: a judge that is not our parser.

    Only for texts whose strings hold neither quotes nor slashes.
    """
    kept, position = [], 0
    while position < len(text):
        if text[position] == '"':
            end = position + 1
            while text[end] != '"':
                end += 2 if text[end] == "\\" else 1
            kept.append(text[position : end + 1])
            position = end + 1
        elif text.startswith("//", position):
            position = text.index("\n", position)
        elif text.startswith("/*", position):
            position = text.index("*/", position + 2) + 2
        else:
            kept.append(text[position])
            position += 1
    tokens = [token for token in kept if token.strip()]
    cleaned = [
        token
        for token, following in zip(tokens, [*tokens[1:], ""], strict=True)
        if token != "," or following not in {"]", "}"}
    ]
    return json.loads("".join(cleaned))
