"""Reading HuJSON: what is refused, where and in which words; the tree, its places and its forms."""

from __future__ import annotations

import json
import math

import pytest

from tailscale_sdk.policy import hujson
from tailscale_sdk.policy.hujson.parser import MAX_DEPTH, parse
from tailscale_sdk.policy.hujson.tree import escape

VALUE, NAME = "at start of value", "at start of object name"
END = "unexpected EOF"
# Text, line, column in bytes, offset in characters, words.
BROKEN: list[tuple[str, int, int, int, str]] = [
    ("", 1, 1, 0, f"parsing value: {END}"),
    (" \n\t", 2, 2, 3, f"parsing value: {END}"),
    ("{", 1, 2, 1, f"parsing value: {END}"),
    ("[1,", 1, 4, 3, f"parsing value: {END}"),
    ("[1", 1, 3, 2, f"parsing array after value: {END}"),
    ('{"a":1', 1, 7, 6, f"parsing object after value: {END}"),
    ('{"a" // b\n', 2, 1, 10, f"parsing object after name: {END}"),
    ('{"a" 1}', 1, 6, 5, "invalid character '1' after object name (expecting ':')"),
    ('{"a"::1}', 1, 6, 5, f"invalid character ':' {VALUE}"),
    ('{"a":1 "b":2}', 1, 8, 7, "invalid character '\"' after object value (expecting ',' or '}')"),
    ("[\n\t1\n\t2\n]", 3, 2, 6, "invalid character '2' after array value (expecting ',' or ']')"),
    ("null null", 1, 6, 5, "invalid character 'n' after top-level value"),
    ("[1],", 1, 4, 3, "invalid character ',' after top-level value"),
    ("{}}", 1, 3, 2, "invalid character '}' after top-level value"),
    ("]", 1, 1, 0, f"invalid character ']' {VALUE}"),
    ("[}", 1, 2, 1, f"invalid character '}}' {VALUE}"),
    ("[,]", 1, 2, 1, f"invalid character ',' {VALUE}"),
    ("[1,,]", 1, 4, 3, f"invalid character ',' {VALUE}"),
    ('{"a":1,,}', 1, 8, 7, f"invalid character ',' {VALUE}"),
    ("{a: 1}", 1, 2, 1, f"invalid character 'a' {NAME}"),
    ("{1: 2}", 1, 2, 1, f"invalid character '1' {NAME}"),
    ("{]", 1, 2, 1, f"invalid character ']' {NAME}"),
    ("'a'", 1, 1, 0, f"invalid character '\\'' {VALUE}"),
    ("{'a': 1}", 1, 2, 1, f"invalid character '\\'' {NAME}"),
    ("tru", 1, 1, 0, f"invalid character 't' {VALUE}"),
    ("nulll", 1, 1, 0, f"invalid character 'n' {VALUE}"),
    ("True", 1, 1, 0, f"invalid character 'T' {VALUE}"),
    ("NaN", 1, 1, 0, f"invalid character 'N' {VALUE}"),
    ("-Infinity", 1, 1, 0, f"invalid character '-' {VALUE}"),
    ("01", 1, 1, 0, f"invalid character '0' {VALUE}"),
    ("0x1", 1, 1, 0, f"invalid character '0' {VALUE}"),
    ("+1", 1, 1, 0, f"invalid character '+' {VALUE}"),
    (".5", 1, 1, 0, f"invalid character '.' {VALUE}"),
    ("1.", 1, 1, 0, f"invalid character '1' {VALUE}"),
    ("1e", 1, 1, 0, f"invalid character '1' {VALUE}"),
    ("1_000", 1, 1, 0, f"invalid character '1' {VALUE}"),
    ("--1", 1, 1, 0, f"invalid character '-' {VALUE}"),
    ('"a', 1, 3, 2, f"parsing string: {END}"),
    ('{"a', 1, 4, 3, f"parsing string: {END}"),
    ('"é\\', 1, 4, 2, "invalid escape sequence in string"),
    ('"a\nb"', 1, 3, 2, "invalid character '\\n' in string"),
    ('"a\rb"', 1, 3, 2, "invalid character '\\r' in string"),
    ('{"a\tb": 1}', 1, 4, 3, "invalid character '\\t' in string"),
    ('"\x00"', 1, 2, 1, "invalid character '\\x00' in string"),
    ('"\\x41"', 1, 2, 1, "invalid escape sequence in string"),
    ('"\\u12G4"', 1, 2, 1, "invalid escape sequence in string"),
    ("/", 1, 1, 0, f"invalid character '/' {VALUE}"),
    ("# a\n1", 1, 1, 0, f"invalid character '#' {VALUE}"),
    ("//", 1, 1, 0, f"parsing comment: {END}"),
    ("[1, // a", 1, 5, 4, f"parsing comment: {END}"),
    ("{}\n /* a *", 2, 2, 4, f"parsing comment: {END}"),
    ("/*/", 1, 1, 0, f"parsing comment: {END}"),
    ("\x7f", 1, 1, 0, f"invalid character '\\x7f' {VALUE}"),
    ("\ufeff{}", 1, 1, 0, f"invalid character '\\ufeff' {VALUE}"),
    ("\xa0{}", 1, 1, 0, f"invalid character '\\xa0' {VALUE}"),
    ('{"é": x}', 1, 8, 6, f"invalid character 'x' {VALUE}"),
    ('/* ü😀 */ [\n"é", é]', 2, 7, 16, f"invalid character 'é' {VALUE}"),
    ('"\ud800"', 1, 1, 0, "invalid UTF-8 in string"),
    ("// é\n// \ud800\n1", 2, 1, 5, "invalid UTF-8 in comment"),
    ("[1, /* a */ /* \udcff */ 2]", 1, 13, 12, "invalid UTF-8 in comment"),
]


@pytest.mark.parametrize("text, line, column, offset, words", BROKEN)
def test_what_is_no_hujson_is_told_with_its_place(
    text: str, line: int, column: int, offset: int, words: str
) -> None:
    for read in (hujson.parse, hujson.minimize, hujson.standardize, hujson.format):
        with pytest.raises(hujson.HuJSONError) as caught:
            read(text)
        assert str(caught.value) == f"hujson: line {line}, column {column}: {words}"
        assert (caught.value.line, caught.value.column, caught.value.offset) == (line, column, offset)


@pytest.mark.parametrize(
    "content, column, words",
    [
        (b"\xff", 1, f"invalid character '\\xff' {VALUE}"),
        (b'{"a": \xff}', 7, f"invalid character '\\xff' {VALUE}"),
        (b"[1, /* \xc3\xa9 */ \x80]", 14, f"invalid character '\\x80' {VALUE}"),
        (b'{"\xc3\xa9":1}\xfe', 9, "invalid character '\\xfe' after top-level value"),
        (b'["\xc3\xa9", "a\xff"]', 8, "invalid UTF-8 in string"),
        (b'{"\xff": 1}', 2, "invalid UTF-8 in string"),
        (b"1 /* \xff */", 3, "invalid UTF-8 in comment"),
        (b'"\xed\xa0\x80"', 1, "invalid UTF-8 in string"),
        (b"\xef\xbb\xbf{}", 1, f"invalid character '\\ufeff' {VALUE}"),
        (b"\xff\xfe{\x00}\x00", 1, f"invalid character '\\xff' {VALUE}"),
    ],
)
def test_bytes_that_are_no_text_are_told_with_their_place(content: bytes, column: int, words: str) -> None:
    with pytest.raises(hujson.HuJSONError) as caught:
        hujson.parse(content)
    assert str(caught.value) == f"hujson: line 1, column {column}: {words}"


# --- depth --------------------------------------------------------------------------------------


def nested(depth: int, opening: str, inside: str, closing: str) -> str:
    return opening * depth + inside + closing * depth


@pytest.mark.parametrize(
    "opening, inside, closing", [("[", "", "]"), ('{"a":', "1", "}"), ('[{"a":', "[]", "}]")]
)
def test_depth_is_bounded(opening: str, inside: str, closing: str) -> None:
    each = opening.count("[") + opening.count("{")
    fitting = (MAX_DEPTH - inside.count("[")) // each
    text = nested(fitting, opening, inside, closing)
    tree = hujson.parse(text)
    assert tree.pack() == tree.copy().pack() == text
    assert hujson.minimize(text) == hujson.standardize(text) == text
    assert hujson.minimize(hujson.format(text)) == text
    different = '[{"op": "test", "path": "", "value": null}]'
    with pytest.raises(hujson.HuJSONError, match="values differ"):
        hujson.patch(text, different)
    pointer = "".join({"[": "/0", "{": "/a"}.get(character, "") for character in opening * fitting)
    found = tree.find(pointer)
    assert (found.pack() if found is not None else "") == inside
    with pytest.raises(hujson.HuJSONError, match=f"nested deeper than {MAX_DEPTH} levels") as caught:
        hujson.parse(nested(fitting + 1, opening, inside, closing))
    assert (caught.value.line, caught.value.column) == (1, caught.value.offset + 1)


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a":' * 200_000, "[" * 200_000 + "]" * 200_000])
def test_no_depth_is_too_deep_to_be_refused(text: str) -> None:
    with pytest.raises(hujson.HuJSONError, match="nested deeper"):
        hujson.parse(text)


# --- the tree -----------------------------------------------------------------------------------

POLICY = """\
// top
{
	"groups": {"group:é": ["alice@example.com", /* also */ "bob@example.com"]},
	"acls":   [{"action": "accept"}, {}], // rules
	"odd":    [null, true, -1.5e1, "\\u00e9\\n", [],],
}
"""


def test_every_node_knows_what_it_is_and_where_it_stands() -> None:
    tree = hujson.parse(POLICY)
    places = {
        "": ("object", 2, 1, ""),
        "/groups": ("object", 3, 12, ""),
        "/groups/group:é/1": ("literal", 3, 58, '"bob@example.com"'),
        "/acls/0/action": ("literal", 4, 24, '"accept"'),
        "/acls/1": ("object", 4, 35, ""),
        "/odd/4": ("array", 5, 45, ""),
    }
    for pointer, expected in places.items():
        node = tree.find(pointer)
        assert node is not None
        assert (node.kind, node.line, node.column, node.literal) == expected, pointer


def test_the_tree_is_walked_by_hand() -> None:
    tree = hujson.parse(POLICY)
    assert [member.name.text() for member in tree.members] == ["groups", "acls", "odd"]
    assert tree.before == "// top\n"
    assert (tree.after, tree.trailing) == ("\n", "\n")
    acls = tree.members[1].value
    assert [element.kind for element in acls.elements] == ["object", "object"]
    assert list(acls.items()) == acls.children() == acls.elements
    assert [child.kind for child in tree.children()] == ["object", "array", "array"]
    assert tree.child("acls") is acls
    assert acls.child("0") is acls.elements[0]
    assert (acls.child("2"), acls.child("00"), tree.child("x"), tree.members[0].name.child("0")) == (
        None,
    ) * 4
    assert tree.members[2].value.data() == [None, True, -15.0, "é\n", []]
    assert len(list(tree.walk())) == 20
    assert not tree.is_standard()
    assert hujson.parse(hujson.minimize(POLICY)).is_standard()


def test_a_copy_shares_nothing_and_a_bare_one_has_no_surroundings() -> None:
    tree = hujson.parse(POLICY)
    other = tree.copy()
    other.members.pop()
    other.members[0].name.literal = '"gone"'
    assert tree.pack() == POLICY
    odd = tree.find("/groups/group:é/1")
    assert odd is not None
    assert (odd.before, odd.bare().pack(), odd.bare().line) == (" /* also */ ", '"bob@example.com"', 0)


def test_find_returns_data() -> None:
    assert hujson.find(POLICY, "/groups") == {"group:é": ["alice@example.com", "bob@example.com"]}
    assert hujson.find(POLICY.encode(), "/odd/3") == "é\n"
    assert hujson.find(POLICY, "/odd/0") is hujson.find(POLICY, "/nothing") is None
    assert hujson.find(POLICY, "") == json.loads(hujson.minimize(POLICY))
    with pytest.raises(hujson.HuJSONError, match="line 1, column 2"):
        hujson.find("{", "/a")


@pytest.mark.parametrize(
    "name, escaped", [("a", "a"), ("a/b", "a~1b"), ("a~b", "a~0b"), ("~1", "~01"), ("", "")]
)
def test_a_name_is_found_by_its_escape(name: str, escaped: str) -> None:
    assert escape(name) == escaped
    assert hujson.find(json.dumps({name: 7}), f"/{escape(name)}") == 7


def test_numbers_beyond_every_range_are_read() -> None:
    digits = "9" * 5000
    assert hujson.parse(digits).data() == hujson.parse("1e400").data() == math.inf
    assert hujson.parse(f"-{digits}").data() == -math.inf
    assert hujson.minimize(f"[ {digits} ]") == f"[{digits}]"
    assert hujson.parse("9007199254740993").data() == 9007199254740993


TWICE = """\
{
	"a": {"x/y": 1, "é": 0, "x\\u002fy": 2},
	"b": [{}, {"k": 1, "k": 2, "k": 3}],
	"a": 4,
}
"""


def test_names_that_stand_twice_survive_and_are_listed() -> None:
    tree = hujson.parse(TWICE)
    assert tree.pack() == TWICE
    listed = [
        (d.pointer, d.first.line, d.first.column, d.again.line, d.again.column) for d in tree.duplicates()
    ]
    assert listed == [
        ("/a/x~1y", 2, 8, 2, 27),
        ("/b/1/k", 3, 13, 3, 21),
        ("/b/1/k", 3, 13, 3, 29),
        ("/a", 2, 2, 4, 2),
    ]
    assert tree.data() == {"a": 4, "b": [{}, {"k": 3}]}
    assert (hujson.find(TWICE, "/a"), hujson.find(TWICE, "/b/1/k")) == (4, 3)
    assert hujson.parse(POLICY).duplicates() == []


def test_a_policy_may_ask_for_names_that_stand_once() -> None:
    with pytest.raises(hujson.HuJSONError) as caught:
        parse(TWICE, unique_names=True)
    assert str(caught.value) == (
        "hujson: line 2, column 27: duplicate object member /a/x~1y (first at line 2, column 8)"
    )
    assert (caught.value.line, caught.value.column) == (2, 27)
    assert TWICE[caught.value.offset :].startswith('"x\\u002fy"')
    assert parse(POLICY, unique_names=True).pack() == POLICY


# --- its forms ----------------------------------------------------------------------------------

FORMS = [
    # text, minimal, standard, canonical
    ("null", "null", "null", "null\n"),
    (" [1 , 2,]", "[1,2]", " [1 , 2 ]", "[1, 2]\n"),
    ('{"a":1,"bbb":[1,2],}', '{"a":1,"bbb":[1,2]}', '{"a":1,"bbb":[1,2] }', '{"a": 1, "bbb": [1, 2]}\n'),
    ("{}//é\n", "{}", "{}    \n", "{} //é\n"),
    ("[1,2,/*t*/]", "[1,2]", "[1,2      ]", "[1, 2, /*t*/ ]\n"),
    ("[1 /*a*/, /*b*/ 2]", "[1,2]", "[1      ,       2]", "[1 /*a*/ , /*b*/ 2]\n"),
    ("[// o\r\n1,2]", "[1,2]", "[    \r\n1,2]", "[ // o\n\t1, 2,\n]\n"),
    ("[/*\t*/]", "[]", "[  \t  ]", "[ /*\t*/ ]\n"),
    ("[ // x\n]", "[]", "[     \n]", "[ // x\n]\n"),
    ("[[\n]]", "[[]]", "[[\n]]", "[[]]\n"),
    (
        '{\n"a":1,\n"bbb":[1,\n2],"c":3}',
        '{"a":1,"bbb":[1,2],"c":3}',
        '{\n"a":1,\n"bbb":[1,\n2],"c":3}',
        '{\n\t"a": 1,\n\t"bbb": [\n\t\t1,\n\t\t2\n\t], "c": 3\n}\n',
    ),
    (
        '{\n"a": 1, // x\n"long": 2,\n\n\n"b":3}',
        '{"a":1,"long":2,"b":3}',
        '{\n"a": 1,     \n"long": 2,\n\n\n"b":3}',
        '{\n\t"a":    1, // x\n\t"long": 2,\n\n\t"b": 3,\n}\n',
    ),
    (
        '{"a": // why\n{"b":1}}',
        '{"a":{"b":1}}',
        '{"a":       \n{"b":1}}',
        '{\n\t"a": // why\n\t\t{"b": 1},\n}\n',
    ),
    ("[\n/* a\n   b\n*/ 1]", "[1]", "[\n    \n    \n   1]", "[\n\t/* a\n\tb\n\t*/ 1,\n]\n"),
    ('"\\u0041\\/\\u000a"', '"\\u0041\\/\\u000a"', '"\\u0041\\/\\u000a"', '"A/\\n"\n'),
    ('"\\ud800\\u0041"', '"\\ud800\\u0041"', '"\\ud800\\u0041"', '"\\ud800\\u0041"\n'),
    ("[1.50,1E+2,-0]", "[1.50,1E+2,-0]", "[1.50,1E+2,-0]", "[1.50, 1E+2, -0]\n"),
    ("/*1*/ /*2*/1/*3*/\n\n\n//4\n", "1", "           1     \n\n\n   \n", "/*1*/ /*2*/ 1 /*3*/\n\n//4\n"),
]


@pytest.mark.parametrize("text, minimal, standard, canonical", FORMS)
def test_three_forms_of_one_text(text: str, minimal: str, standard: str, canonical: str) -> None:
    for given in (text, text.encode()):
        assert hujson.minimize(given) == minimal
        assert hujson.standardize(given) == standard
        assert hujson.format(given) == canonical
    assert hujson.format(canonical) == canonical
