"""The vectors of the reference implementation: the same texts, the same bytes, the same words of refusal."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tailscale_sdk.policy import hujson

pytestmark = pytest.mark.each_row

COUNTS = {"parse": 15, "format": 18, "patch": 31, "find": 10}
# The reference lets two values pass for the same that are not: bytes that are no text, and integers
# that only a float cannot tell apart. Here both are told.
STRICTER = {
    24: "hujson: line 1, column 1: invalid UTF-8 in string",
    25: 'hujson: patch operation 0: values differ at ""',
}

Vectors = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def vectors(reference_data: Path) -> Vectors:
    content: Vectors = json.loads((reference_data / "hujson-vectors.json").read_text("utf-8"))
    return content


def text_of(vector: dict[str, Any]) -> str | bytes:
    """Return the text of a vector; one that is no UTF-8 is in base64."""
    text: str | bytes = base64.b64decode(vector["in_b64"]) if "in_b64" in vector else vector["in"]
    return text


def test_no_vector_is_left_out(vectors: Vectors) -> None:
    assert {name: len(vectors[name]) for name in COUNTS} == COUNTS


@pytest.mark.parametrize("index", range(COUNTS["parse"]))
def test_parse(vectors: Vectors, index: int) -> None:
    vector = vectors["parse"][index]
    text = text_of(vector)
    if "error" in vector:
        with pytest.raises(hujson.HuJSONError) as caught:
            hujson.parse(text)
        assert str(caught.value) == vector["error"]
        place = f"hujson: line {caught.value.line}, column {caught.value.column}: "
        assert vector["error"].startswith(place)
    else:
        assert hujson.parse(text).pack() == text
        assert hujson.minimize(text) == vector["minimized"]
        assert hujson.standardize(text) == vector["standardized"]


@pytest.mark.parametrize("index", range(COUNTS["format"]))
def test_format(vectors: Vectors, index: int) -> None:
    vector = vectors["format"][index]
    assert hujson.format(text_of(vector)) == vector["formatted"]
    assert hujson.format(vector["formatted"]) == vector["formatted"]


@pytest.mark.parametrize("index", range(COUNTS["patch"]))
def test_patch(vectors: Vectors, index: int) -> None:
    vector = vectors["patch"][index]
    text = text_of(vector)
    refusal = STRICTER.get(index) or vector.get("error")
    if refusal is None:
        assert hujson.patch(text, vector["patch"]) == vector.get("want", text)
        return
    with pytest.raises(hujson.HuJSONError) as caught:
        hujson.patch(text, vector["patch"])
    assert str(caught.value) == refusal
    assert vector.get("want", text) == text


@pytest.mark.parametrize("index", range(COUNTS["find"]))
def test_find(vectors: Vectors, index: int) -> None:
    vector = vectors["find"][index]
    node = hujson.parse(vector["doc"]).find(vector["pointer"])
    found = hujson.find(vector["doc"], vector["pointer"])
    if vector.get("missing"):
        assert (node, found) == (None, None)
        return
    assert node is not None
    if vector.get("whole"):
        assert node.pack() == vector["doc"]
        assert found == json.loads(vector["doc"])
    else:
        assert node.data() == found == vector["value"]
