"""RFC 6902 on HuJSON: an edit changes one place, comments stay with what they are about, errors name it."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailscale_sdk.policy import hujson
from tailscale_sdk.policy.hujson.patching import apply_patch
from tests.hujson_texts import TEXTS
from tests.plain_patch import Refused, apply_plainly, pointers

pytestmark = pytest.mark.each_row

DEV = '\t\t"group:dev": ["alice@example.com", "bob@example.com",], // day shift\n'
OPS = '\t\t// on call\n\t\t"group:ops": ["carol@example.com"], // pager\n'
WEB = '\t\t// dev to web\n\t\t{"action": "accept", "src": ["group:dev"], "dst": ["tag:web:443"]}, // web\n'
ALL = '\n\t\t// ops to all\n\t\t{"action": "accept", "src": ["group:ops"], "dst": ["*:*"]}, // all\n'
POLICY = f"""\
// Who may do what.
{{
	"groups": {{
{DEV}{OPS}	}},
	/* the rules */
	"acls": [
{WEB}{ALL}	],
	"hosts":   {{"db": "100.64.0.7"}}   // one address
}}
// The end.
"""


def edited(*places: tuple[str, str]) -> str:
    """Return the policy with exactly these places changed: every other byte is as it was."""
    text = POLICY
    for old, new in places:
        assert text.count(old) == 1
        text = text.replace(old, new)
    return text


def refusal(text: str | bytes, patch: Any) -> str:
    with pytest.raises(hujson.HuJSONError) as caught:
        hujson.patch(text, patch)
    return str(caught.value)


def add(path: str, value: Any) -> dict[str, Any]:
    return {"op": "add", "path": path, "value": value}


def remove(path: str) -> dict[str, Any]:
    return {"op": "remove", "path": path}


def replace(path: str, value: Any) -> dict[str, Any]:
    return {"op": "replace", "path": path, "value": value}


def move(source: str, path: str) -> dict[str, Any]:
    return {"op": "move", "from": source, "path": path}


def copied(source: str, path: str) -> dict[str, Any]:
    return {"op": "copy", "from": source, "path": path}


def check(path: str, value: Any) -> dict[str, Any]:
    return {"op": "test", "path": path, "value": value}


# --- one place changes --------------------------------------------------------------------------

EDITS: list[tuple[dict[str, Any], str, str]] = [
    (add("/groups/group:qa", ["dave@example.com"]), OPS, OPS + '\t\t"group:qa":["dave@example.com"],\n'),
    (add("/hosts/db", "100.64.0.8"), '"100.64.0.7"', '"100.64.0.8"'),
    (add("/hosts/ci", "100.64.0.9"), '"100.64.0.7"}', '"100.64.0.7","ci":"100.64.0.9"}'),
    (add("/acls/0", {}), WEB, "\t\t{},\n" + WEB),
    (add("/acls/1", {}), WEB, WEB + "\t\t{},\n"),
    (add("/acls/2", {}), ALL, ALL + "\t\t{},\n"),
    (add("/acls/-", {}), ALL, ALL + "\t\t{},\n"),
    (add("/groups/group:dev/0", "eve@example.com"), '["alice', '["eve@example.com","alice'),
    (
        add("/groups/group:dev/-", "eve@example.com"),
        'bob@example.com"',
        'bob@example.com", "eve@example.com"',
    ),
    (add("/tests", []), "}   // one address\n", '},   // one address\n\t"tests":[]\n'),
    (remove("/groups/group:dev"), DEV, ""),
    (remove("/groups/group:ops"), OPS, ""),
    (remove("/acls/0"), WEB, ""),
    (remove("/acls/1"), ALL, ""),
    (remove("/groups/group:dev/0"), '"alice@example.com",', ""),
    (remove("/groups/group:dev/1"), ' "bob@example.com",', ""),
    (remove("/hosts/db"), '"db": "100.64.0.7"', ""),
    (replace("/groups/group:ops", []), '["carol@example.com"]', "[]"),
    (replace("/acls/1/dst/0", "tag:db:5432"), '"*:*"', '"tag:db:5432"'),
    (replace("/hosts", None), '{"db": "100.64.0.7"}', "null"),
    (move("/groups/group:dev", "/groups/group:x"), DEV + OPS, OPS + DEV.replace('dev": ', 'x":')),
    (move("/acls/0", "/acls/1"), WEB + ALL, ALL + WEB),
    (move("/acls/0", "/acls/-"), WEB + ALL, ALL + WEB),
    (
        move("/groups/group:dev/1", "/groups/group:dev/0"),
        '"alice@example.com", "bob@example.com"',
        '"bob@example.com","alice@example.com"',
    ),
    (copied("/groups/group:dev/0", "/groups/group:ops/0"), '["carol', '["alice@example.com","carol'),
    (copied("/acls/0/src", "/hosts/web"), '"100.64.0.7"}', '"100.64.0.7","web":["group:dev"]}'),
    (check("/groups/group:ops", ["carol@example.com"]), POLICY, POLICY),
]


@pytest.mark.parametrize("operation, old, new", EDITS)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_an_operation_changes_one_place_only(
    operation: dict[str, Any], old: str, new: str, line_end: str
) -> None:
    changed = hujson.patch(POLICY.replace("\n", line_end), [operation])
    assert changed == edited((old, new)).replace("\n", line_end)


def test_operations_follow_each_other() -> None:
    patch = [
        check("/hosts/db", "100.64.0.7"),
        move("/hosts/db", "/hosts/old"),
        add("/hosts/db", "100.64.0.8"),
        remove("/hosts/old"),
        copied("/acls/1", "/acls/0"),
        replace("/acls/0/src", ["group:dev"]),
    ]
    rule = '\t\t{"action": "accept", "src": ["group:dev"], "dst": ["*:*"]},\n'
    assert hujson.patch(POLICY, patch) == edited(
        ('"db": "100.64.0.7"', '"db":"100.64.0.8"'), (WEB, rule + WEB)
    )


def test_a_patch_may_be_hujson_and_the_comments_of_a_value_come_along() -> None:
    patch = """[
        // why
        {"op": "add", "path": "/acls/0", "value": /* not this */ [1, /* this */ 2,] /* nor this */},
    ]"""
    expected = edited((WEB, "\t\t[1, /* this */ 2,],\n" + WEB))
    assert hujson.patch(POLICY, patch) == hujson.patch(POLICY.encode(), patch.encode()) == expected


@pytest.mark.parametrize("value", [None, {}, [], "text", 7, [{"a": [1]}]])
def test_the_whole_document_is_replaced_between_its_comments(value: Any) -> None:
    expected = f"// Who may do what.\n{json.dumps(value)}\n// The end.\n"
    assert hujson.patch(POLICY, [add("", value)]) == hujson.patch(POLICY, [replace("", value)]) == expected


def test_a_part_becomes_the_whole() -> None:
    text = '{"a": {"b": [1, /* in */ 2]}} // end\n'
    assert hujson.patch(text, [move("/a/b", "")]) == "[1, /* in */ 2] // end\n"
    assert hujson.patch(text, [copied("/a/b/1", "")]) == "2 // end\n"


EMPTY = [
    ("{}", '{"a":1}', '{"a":1,"b":2}'),
    ("{ }", '{"a":1 }', '{"a":1,"b":2 }'),
    ("{\n}", '{\n\t"a":1\n}', '{\n\t"a":1,"b":2\n}'),
    ("{ /* x */ }", '{"a":1 /* x */ }', '{"a":1 /* x */,"b":2 }'),
    ("{ // x\n}", '{ // x\n\t"a":1\n}', '{ // x\n\t"a":1,"b":2\n}'),
    ("{\n\t// x\n}", '{\n\t"a":1\n\t// x\n}', '{\n\t"a":1,"b":2\n\t// x\n}'),
]


@pytest.mark.parametrize("empty, one, two", EMPTY)
def test_an_empty_object_is_filled_and_emptied(empty: str, one: str, two: str) -> None:
    assert hujson.patch(empty, [add("/a", 1)]) == one
    assert hujson.patch(one, [add("/b", 2)]) == two
    assert hujson.patch(one, [remove("/a")]) == empty
    assert hujson.patch(empty, [add("/a", 1), add("/b", 2), remove("/b"), remove("/a")]) == empty


ENDS = [
    ("[1]", "[1,2]", "[0,1]"),
    ("[1,]", "[1,2,]", "[0,1,]"),
    ("[ 1, ]", "[ 1,2, ]", "[0, 1, ]"),
    ("[1 /* one */]", "[1 /* one */,2]", "[0,1 /* one */]"),
    ("[1 // one\n]", "[1, // one\n2\n]", "[0,1 // one\n]"),
    ("[\n\t1\n]", "[\n\t1,2\n]", "[\n\t0,\n\t1\n]"),
    ("[\n\t1 // one\n]", "[\n\t1, // one\n\t2\n]", "[\n\t0,\n\t1 // one\n]"),
    ("[\n\t1, // one\n]", "[\n\t1, // one\n\t2,\n]", "[\n\t0,\n\t1, // one\n]"),
    ("[\r\n\t1 // one\r\n]", "[\r\n\t1, // one\r\n\t2\r\n]", "[\r\n\t0,\r\n\t1 // one\r\n]"),
]


@pytest.mark.parametrize("text, behind, ahead", ENDS)
def test_both_ends_of_an_array(text: str, behind: str, ahead: str) -> None:
    assert hujson.patch(text, [add("/-", 2)]) == hujson.patch(text, [add("/1", 2)]) == behind
    assert hujson.patch(text, [add("/0", 0)]) == ahead
    assert hujson.patch(behind, [remove("/1")]) == hujson.patch(ahead, [remove("/0")]) == text


def test_the_notes_of_the_last_item_go_where_it_goes() -> None:
    text = "[\n\t1, // one\n\t// above\n\t2 // two\n]"
    assert hujson.patch(text, [move("/1", "/0")]) == "[\n\t// above\n\t2, // two\n\t1 // one\n]"
    assert hujson.patch(text, [move("/0", "/1")]) == "[\n\t// above\n\t2, // two\n\t1 // one\n]"
    assert hujson.patch(text, [remove("/1")]) == "[\n\t1 // one\n]"
    assert hujson.patch("[1, // one\n2]", [remove("/1")]) == "[1 // one\n]"
    assert hujson.patch("[\n\t1,\n\t2 // two\n]", [remove("/1")]) == "[\n\t1\n]"


# --- pointers -----------------------------------------------------------------------------------

NAMES = '{"a/b": 1, "c~d": 2, "": 3, " ": 4, "~1": 5, "é😀": 6, "q\\"": 7, "0": 8, "-": 9}'
POINTERS = ["/a~1b", "/c~0d", "/", "/ ", "/~01", "/é😀", '/q"', "/0", "/-"]


@pytest.mark.parametrize("number, pointer", list(enumerate(POINTERS, 1)))
def test_names_in_pointers_are_escaped(number: int, pointer: str) -> None:
    zero = NAMES.replace(f": {number}", ": 0")
    assert hujson.find(NAMES, pointer) == number
    assert hujson.patch(NAMES, [check(pointer, number)]) == NAMES
    assert hujson.patch(NAMES, [replace(pointer, 0)]) == hujson.patch(NAMES, [add(pointer, 0)]) == zero
    name = json.dumps(list(json.loads(NAMES))[number - 1], ensure_ascii=False)
    assert hujson.patch("{}", [add(pointer, 1)]) == f"{{{name}:1}}"


def test_half_a_character_is_written_as_an_escape() -> None:
    changed = hujson.patch("{}", [add("/\ud800é", "\udc00")])
    assert changed == '{"\\ud800\\u00e9":"\\udc00"}'
    assert json.loads(changed) == {"\ud800é": "\udc00"}


PLACES = '{"a": 1, "l": [1, "x"], "o": {}}'
NOWHERE = ["a", "a/b", "#/a", "/b", "/A", "//", "/a/", "/a/b", "/a/0", "/o/x/y", "/l/0/0", "/l/1/"]
NO_INDEX = ["-1", "00", "01", "+1", "x", "", "1e0", " 1", "²", "9" * 30]


@pytest.mark.parametrize("pointer", [*NOWHERE, "/l/2", "/l/-", *(f"/l/{index}" for index in NO_INDEX)])
def test_nothing_stands_there(pointer: str) -> None:
    assert hujson.find(PLACES, pointer) is None
    assert hujson.parse(PLACES).find(pointer) is None
    operations = [
        remove(pointer),
        replace(pointer, 1),
        check(pointer, None),
        move(pointer, "/z"),
        copied(pointer, "/z"),
    ]
    for operation in operations:
        assert refusal(PLACES, [operation]) == "hujson: patch operation 0: value not found"


@pytest.mark.parametrize(
    "pointer",
    ["a", "a/b", "//", "/a/b", "/a/0", "/a/-", "/l/3", "/l/-/0", *(f"/l/{index}" for index in NO_INDEX)],
)
def test_nothing_can_be_put_there(pointer: str) -> None:
    for operation in (add(pointer, 1), copied("/o", pointer), move("/o", pointer)):
        assert refusal(PLACES, [operation]) == "hujson: patch operation 0: value not found"


# --- refusals -----------------------------------------------------------------------------------

OPERATION = "hujson: patch operation 0: "
MALFORMED = [
    ("{}", "hujson: patch must be a JSON array"),
    ("7", "hujson: patch must be a JSON array"),
    ("[1]", OPERATION + "must be a JSON object"),
    ("[{}]", OPERATION + 'missing required member "op"'),
    ('[{"op": 5}]', OPERATION + 'member "op" must be a JSON string'),
    ('[{"op": "ADD"}]', OPERATION + 'unknown operation "ADD"'),
    ('[{"op": "\\n"}]', OPERATION + 'unknown operation "\\n"'),
    ('[{"op": ""}]', OPERATION + 'unknown operation ""'),
    ('[{"op": "remove"}]', OPERATION + 'missing required member "path"'),
    ('[{"op": "add", "path": "/a"}]', OPERATION + 'missing required member "value"'),
    ('[{"op": "test", "path": "/a"}]', OPERATION + 'missing required member "value"'),
    ('[{"op": "replace", "path": "/a"}]', OPERATION + 'missing required member "value"'),
    ('[{"op": "move", "path": "/a"}]', OPERATION + 'missing required member "from"'),
    ('[{"op": "copy", "path": "/a"}]', OPERATION + 'missing required member "from"'),
    ('[{"op": "remove", "path": 1}]', OPERATION + 'member "path" must be a JSON string'),
    ('[{"op": "copy", "path": "/a", "from": {}}]', OPERATION + 'member "from" must be a JSON string'),
    ('[{"op": "remove", "path": ""}]', OPERATION + "cannot remove root value"),
    ('[{"op": "move", "from": "", "path": "/b"}]', OPERATION + 'cannot move "" into "/b"'),
    ('[{"op": "move", "from": "/a", "path": "/a/b"}]', OPERATION + 'cannot move "/a" into "/a/b"'),
    ('[{"op": "copy", "from": "/a", "path": "/a"}]', OPERATION + 'cannot copy "/a" into "/a"'),
    ('[{"op": "test", "path": "/a", "value": 2}]', OPERATION + 'values differ at "/a"'),
    ("[", "hujson: line 1, column 2: parsing value: unexpected EOF"),
    ('[\n\t{"op": add}]', "hujson: line 2, column 9: invalid character 'a' at start of value"),
]


@pytest.mark.parametrize("patch, text", MALFORMED)
def test_a_malformed_patch_is_refused(patch: str, text: str) -> None:
    assert refusal('{"a": 1}', patch) == refusal(b'{"a": 1}', patch.encode()) == text


def test_the_operation_that_fails_is_named() -> None:
    assert refusal(POLICY, [remove("/hosts"), replace("/acls", []), remove("/hosts")]) == (
        "hujson: patch operation 2: value not found"
    )
    assert (
        refusal("[1,2]", [check("/0", 1), move("/0", "/2")]) == "hujson: patch operation 1: value not found"
    )


def test_the_given_tree_and_data_are_not_touched() -> None:
    patch = [add("/acls/0", {"src": ["group:dev"]}), replace("/acls/0/src/0", "group:ops"), remove("/groups")]
    before, tree, operations = copy.deepcopy(patch), hujson.parse(POLICY), hujson.parse(json.dumps(patch))
    assert apply_patch(tree, operations).pack() == hujson.patch(POLICY, patch) != POLICY
    assert (tree.pack(), operations.data(), patch) == (POLICY, before, before)


def test_a_broken_document_is_told_with_its_place() -> None:
    with pytest.raises(hujson.HuJSONError) as caught:
        hujson.patch('{\n\t"é": [1 2]\n}', [])
    assert str(caught.value) == (
        "hujson: line 2, column 11: invalid character '2' after array value (expecting ',' or ']')"
    )
    assert (caught.value.line, caught.value.column, caught.value.offset) == (2, 11, 11)


SAME = [
    ("1", "1.0"),
    ("1e2", "100"),
    ("-0", "0"),
    ('"a"', '"\\u0061"'),
    ('{"a": 1, "b": [2]}', '{"b": [2,], /* x */ "a": 1.0}'),
    ("[]", "[ ]"),
    ("{}", "{ // x\n}"),
    ("null", "null"),
    ("true", "true"),
]
DIFFERENT = [
    ("1", "true"),
    ("0", "false"),
    ("0", "null"),
    ('"1"', "1"),
    ("[]", "{}"),
    ("[1, 2]", "[2, 1]"),
    ("[1]", "[1, 1]"),
    ('{"a": 1}', '{"a": 1, "b": 1}'),
    ('{"a": 1}', '{"b": 1}'),
    ('{"a": [true]}', '{"a": [1]}'),
    ("9223372036854775800", "9223372036854775801"),
    ('"é"', '"e\u0301"'),
]


@pytest.mark.parametrize("left, right", SAME)
def test_values_that_are_the_same(left: str, right: str) -> None:
    for one, other in ((left, right), (right, left)):
        assert hujson.patch(one, f'[{{"op": "test", "path": "", "value": {other}}}]') == one


@pytest.mark.parametrize("left, right", DIFFERENT)
def test_values_that_differ(left: str, right: str) -> None:
    for one, other in ((left, right), (right, left)):
        patch = f'[{{"op": "test", "path": "", "value": {other}}}]'
        assert refusal(one, patch) == 'hujson: patch operation 0: values differ at ""'


# --- against RFC 6902 on plain data -------------------------------------------------------------

VALUES = st.sampled_from([None, True, 1, "new", [], [1, [2]], {"a": {"b": 1}}])


@st.composite
def patches(draw: st.DrawFn) -> tuple[str, list[dict[str, Any]]]:
    text = draw(TEXTS)
    known = st.sampled_from(pointers(hujson.parse(text).data()))
    places = st.one_of(known, st.tuples(known, st.sampled_from(["/-", "/0", "/1", "/a", "/b"])).map("".join))
    operations = st.one_of(
        st.builds(add, places, VALUES),
        st.builds(remove, places),
        st.builds(replace, places, VALUES),
        st.builds(move, places, places),
        st.builds(copied, places, places),
        st.builds(check, places, VALUES),
    )
    return text, draw(st.lists(operations, min_size=1, max_size=4))


@pytest.mark.untraced
@given(patches())
def test_the_data_is_what_the_rfc_says(given_patch: tuple[str, list[dict[str, Any]]]) -> None:
    text, operations = given_patch
    document = hujson.parse(text).data()
    for index, operation in enumerate(operations):
        try:
            document = apply_plainly(document, operation)
        except Refused:
            assert refusal(text, operations).startswith(f"hujson: patch operation {index}: ")
            return
    assert hujson.parse(hujson.patch(text, operations)).data() == document
