"""The index: every cassette is listed with what it came from, and nothing is listed that is not there."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from vcr.serializers import yamlserializer

from tailscale_sdk import API_DESCRIPTION, OPERATIONS
from tests.cassette.recording import CASSETTES, HOST, OPERATIONS_MODULE, RETRIES_MODULE, read_index
from tests.cassette.synthesising import CASES, synthesise

INDEX = read_index()
ORIGINS = re.compile(
    r"the embedded tailnet, \d+ devices, seed \d+|a real tailnet, anonymised|synthesised: .+"
)
ENTRIES = [(module, name, entry) for module, entries in INDEX.items() for name, entry in entries.items()]


def interactions(path: Path) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = yamlserializer.deserialize(path.read_text())["interactions"]
    return content


def test_no_cassette_is_unlisted_and_no_entry_is_an_orphan() -> None:
    present = {str(path.relative_to(CASSETTES)) for path in CASSETTES.rglob("*") if path.is_file()}
    listed = {f"{module}/{name}.yaml" for module, name, _ in ENTRIES}
    assert present == {"index.json", *listed}


def test_every_module_of_the_index_replays_its_cassettes() -> None:
    here = Path(__file__).parent
    assert [module for module in INDEX if not (here / f"{module}.py").is_file()] == []


@pytest.mark.parametrize(
    "module, name, entry", ENTRIES, ids=[f"{module}/{name}" for module, name, _ in ENTRIES]
)
def test_an_entry_says_what_was_recorded_when_against_what(
    module: str, name: str, entry: dict[str, Any]
) -> None:
    assert entry["operation"] in OPERATIONS
    assert ORIGINS.fullmatch(entry["recorded_against"])
    assert entry["recorded_against"].startswith("synthesised: ") is (module == RETRIES_MODULE)
    assert date.fromisoformat(entry["recorded"]) >= date(2026, 7, 1)
    assert re.fullmatch(r"[0-9a-f]{12}", entry["description"])
    operation = OPERATIONS[entry["operation"]]
    for interaction in interactions(CASSETTES / module / f"{name}.yaml"):
        request = interaction["request"]
        assert request["uri"].startswith(f"{HOST}/api/v2/")
        assert set(request["headers"]) <= {"accept", "content-type", "if-match"}
        assert set(interaction["response"]["headers"]) <= {"content-type", "etag", "retry-after"}
        assert request["method"] == operation.http_method


def test_recordings_of_the_embedded_tailnet_fit_one_description() -> None:
    hashes = {entry["description"] for _, _, entry in ENTRIES if "embedded" in entry["recorded_against"]}
    assert len(hashes) == 1
    assert len(API_DESCRIPTION.sha256[:12]) == len(hashes.pop())


def test_synthesised_cassettes_are_what_their_rule_makes_of_the_recorded_ones(tmp_path: Path) -> None:
    copied = tmp_path / OPERATIONS_MODULE
    copied.mkdir()
    for source in {case.source for case in CASES.values()}:
        (copied / f"{source}.yaml").write_bytes(
            (CASSETTES / OPERATIONS_MODULE / f"{source}.yaml").read_bytes()
        )
    assert synthesise(tmp_path, INDEX[OPERATIONS_MODULE]) == INDEX[RETRIES_MODULE]
    for path in (tmp_path / RETRIES_MODULE).iterdir():
        assert path.read_bytes() == (CASSETTES / RETRIES_MODULE / path.name).read_bytes()


def test_no_test_mixes_cassettes_with_a_mock_transport(checkout: Path) -> None:
    for path in (checkout / "tests").rglob("*.py"):
        text = path.read_text()
        if path != Path(__file__) and "tests.cassette.recording" in text:
            assert "MockTransport" not in text, f"{path.name}: the recorder would stand in for the mock, too"
