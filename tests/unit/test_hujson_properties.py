"""What holds for every HuJSON text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailscale_sdk.policy import hujson
from tailscale_sdk.policy.hujson.tree import Value, escape
from tests.hujson_texts import TEXTS, TEXTS_WITH_DUPLICATES, without_last_comma

pytestmark = pytest.mark.untraced

_VALUES = st.sampled_from(["1", '"new"', "[1, /* one */ 2,]", '{ "a": null }', "{}"])


def pointers(value: Value, path: str = "") -> list[tuple[str, Value]]:
    """List every place of a document with the value there."""
    found = [(path, value)]
    for member in value.members:
        found += pointers(member.value, f"{path}/{escape(member.name.text())}")
    for index, element in enumerate(value.elements):
        found += pointers(element, f"{path}/{index}")
    return found


@given(TEXTS_WITH_DUPLICATES)
def test_reading_and_writing_gives_the_same_bytes(text: str) -> None:
    assert hujson.parse(text).pack() == text
    assert hujson.parse(text.encode()).pack() == text
    assert hujson.parse(text).copy().pack() == text


@given(TEXTS_WITH_DUPLICATES)
def test_standard_json_says_the_same_in_the_same_places(text: str) -> None:
    standard = hujson.standardize(text)
    assert len(standard.encode()) == len(text.encode())
    assert [len(line.encode()) for line in standard.split("\n")] == [
        len(line.encode()) for line in text.split("\n")
    ]
    assert json.loads(standard) == hujson.parse(text).data() == without_last_comma(text)
    assert hujson.standardize(standard) == standard


@given(TEXTS_WITH_DUPLICATES)
def test_minimal_json_says_the_same(text: str) -> None:
    minimal = hujson.minimize(text)
    assert json.loads(minimal) == hujson.parse(text).data()
    assert hujson.minimize(minimal) == minimal


@given(TEXTS_WITH_DUPLICATES)
def test_the_canonical_layout_is_stable_and_says_the_same(text: str) -> None:
    formatted = hujson.format(text)
    assert hujson.format(formatted) == formatted
    assert json.loads(hujson.minimize(formatted)) == hujson.parse(text).data()
    assert "\r" not in formatted
    assert formatted.endswith("\n")


@given(TEXTS)
def test_every_value_is_found_and_knows_its_place(text: str) -> None:
    tree = hujson.parse(text)
    lines = text.encode().split(b"\n")
    for pointer, value in pointers(tree):
        assert tree.find(pointer) is value
        here = lines[value.line - 1][value.column - 1 :].decode()
        assert here.startswith(value.literal or ("{" if value.kind == "object" else "["))


@given(TEXTS, st.data())
def test_an_added_value_taken_out_again_leaves_the_same_bytes(text: str, data: st.DataObject) -> None:
    tree = hujson.parse(text)
    places = [(path, value) for path, value in pointers(tree) if value.kind != "literal"]
    if not places:
        return
    path, parent = data.draw(st.sampled_from(places))
    if parent.kind == "object":
        place = f"{path}/a name nobody took"
    else:
        place = f"{path}/{data.draw(st.integers(min_value=0, max_value=len(parent.elements)))}"
    value = data.draw(_VALUES)
    added = hujson.patch(text, f'[{{"op": "add", "path": {json.dumps(place)}, "value": {value}}}]')
    assert hujson.find(added, place) == hujson.parse(value).data()
    assert hujson.patch(added, [{"op": "remove", "path": place}]) == text


@given(TEXTS, st.data(), _VALUES)
def test_a_replaced_value_put_back_leaves_the_same_bytes(text: str, data: st.DataObject, value: str) -> None:
    path, old = data.draw(st.sampled_from(pointers(hujson.parse(text))))
    original = old.bare().pack()
    quoted = json.dumps(path)
    changed = hujson.patch(text, f'[{{"op": "replace", "path": {quoted}, "value": {value}}}]')
    assert hujson.find(changed, path) == hujson.parse(value).data()
    assert hujson.patch(changed, f'[{{"op": "replace", "path": {quoted}, "value": {original}}}]') == text


@given(TEXTS, st.data())
def test_removing_and_moving_is_what_the_data_says(text: str, data: st.DataObject) -> None:
    tree = hujson.parse(text)
    places = [path for path, _ in pointers(tree) if path]
    if not places:
        return
    path = data.draw(st.sampled_from(places))
    parent, _, segment = path.rpartition("/")
    left = hujson.parse(hujson.patch(text, [{"op": "remove", "path": path}]))
    expected = tree.data()
    holder = expected
    for part in parent.split("/")[1:]:
        part = part.replace("~1", "/").replace("~0", "~")
        holder = holder[int(part)] if isinstance(holder, list) else holder[part]
    key = int(segment) if isinstance(holder, list) else segment.replace("~1", "/").replace("~0", "~")
    gone = holder.pop(key)
    assert left.data() == expected
    if isinstance(holder, list):
        to = data.draw(st.integers(min_value=0, max_value=len(holder)))
        if to != key:
            moved = hujson.patch(text, [{"op": "move", "from": path, "path": f"{parent}/{to}"}])
            holder.insert(to, gone)
            assert hujson.parse(moved).data() == expected


@given(st.text(alphabet=st.sampled_from('{}[]":,/*\\ntrue\n 0-.e\x00\ufeff😀'), max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        tree = hujson.parse(text)
    except hujson.HuJSONError as error:
        assert 1 <= error.line <= text.count("\n") + 1
        assert 0 <= error.offset <= len(text)
        assert str(error).startswith(f"hujson: line {error.line}, column {error.column}: ")
        column = len(text[: error.offset].rpartition("\n")[2].encode()) + 1
        assert error.column == column
    else:
        assert tree.pack() == text
        assert hujson.format(hujson.format(text)) == hujson.format(text)


@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    try:
        text = hujson.parse(content).pack()
    except hujson.HuJSONError:
        return
    assert text.encode() == content


@given(TEXTS, st.data())
def test_what_a_patch_does_not_touch_stays(text: str, data: st.DataObject) -> None:
    tree = hujson.parse(text)
    places = [path for path, value in pointers(tree) if value.kind == "literal" and path]
    if not places:
        return
    path = data.draw(st.sampled_from(places))
    literal = tree.find(path)
    if literal is None:
        pytest.fail("a listed place is not found")
    changed = hujson.patch(text, [{"op": "replace", "path": path, "value": "@@"}])
    lines = text.split("\n")
    line = lines[literal.line - 1].encode()
    before, after = line[: literal.column - 1], line[literal.column - 1 + len(literal.literal.encode()) :]
    lines[literal.line - 1] = (before + b'"@@"' + after).decode()
    assert changed == "\n".join(lines)
