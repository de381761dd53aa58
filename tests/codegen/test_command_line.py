"""The trip a maintainer makes when the API changes, in a copy of the checkout's description."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from codegen.__main__ import main
from codegen.canonical import to_yaml
from codegen.document import load_document
from tailscale_sdk import API_DESCRIPTION
from tests.codegen.published import published, save

# Whole generations run here, which a busy machine draws out.
pytestmark = pytest.mark.timeout(240)

ROOT = Path(__file__).resolve().parents[2]
NEW_PATH = "/tailnet/{tailnet}/sunrise"


@pytest.fixture
def checkout_copy(tmp_path: Path) -> Path:
    """Copy what the generators read and write."""
    copy = tmp_path / "checkout"
    shutil.copytree(ROOT / "openapi", copy / "openapi")
    shutil.copytree(ROOT / "mcp_adapter" / "operations", copy / "mcp_adapter" / "operations")
    shutil.copytree(
        ROOT / "tailscale_sdk",
        copy / "tailscale_sdk",
        ignore=shutil.ignore_patterns("__pycache__", "testing"),
    )
    shutil.copy(ROOT / "mcp_adapter" / "_catalog.json", copy / "mcp_adapter" / "_catalog.json")
    return copy


def changed(tmp_path: Path, change: Callable[[dict[str, Any]], None]) -> str:
    """Write a changed description, as a newer published document."""
    document = load_document(ROOT / "openapi" / "tailscale.yaml")
    change(document)
    path = tmp_path / "newer.yaml"
    path.write_text(to_yaml(document))
    return str(path)


def grow(document: dict[str, Any]) -> None:
    """Add one operation, remove one, add a field and an enum value."""
    document["paths"][NEW_PATH] = {
        "get": {
            "operationId": "getSunrise",
            "summary": "A sentence that must stay out",
            "tags": ["DNS"],
            "parameters": [{"name": "tailnet", "in": "path", "required": True, "schema": {"type": "string"}}],
            "responses": {
                "200": {
                    "description": "ok",
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "properties": {
                                    "minutes": {"type": "integer", "description": "A sentence, too"}
                                },
                            }
                        }
                    },
                }
            },
        }
    }
    del document["paths"]["/webhooks/{endpointId}/test"]
    schemas = document["components"]["schemas"]
    schemas["Device"]["properties"]["moonPhase"] = {"type": "string", "description": "Another sentence"}
    for holder in schemas.values():
        role = holder.get("properties", {}).get("role", {})
        if "enum" in role:
            role["enum"].append("super")


def report_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.untraced
def test_nothing_changes_without_a_change(
    checkout_copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("openapi/upstream.lock.json", "tailscale_sdk/_generated/operations.py"):
        path = checkout_copy / name
        path.write_text(path.read_text().replace(API_DESCRIPTION.reconciled, "2020-02-29"))
    before = contents(checkout_copy)
    assert main(["regenerate", changed(tmp_path, lambda document: None)], root=checkout_copy) == 0
    assert "class: same" in "\n".join(report_of(capsys))
    assert contents(checkout_copy) == before


@pytest.mark.untraced
def test_a_changed_document_is_reported_rebuilt_and_works(
    checkout_copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["regenerate", changed(tmp_path, grow)], root=checkout_copy) == 0
    lines = report_of(capsys)
    report = "\n".join(lines)
    changes = [line for line in lines if line.startswith(("BREAKING", "CHANGED", "ADDED"))]
    assert any(NEW_PATH in line and "operation added" in line for line in changes), report
    assert any("/webhooks/{endpointId}/test" in line and "operation removed" in line for line in changes), (
        report
    )
    assert any("moonPhase" in line for line in changes), report
    assert any("super" in line for line in changes), report
    expected = (NEW_PATH, "/webhooks/{endpointId}/test", "moonPhase", "super")
    assert [line for line in changes if not any(part in line for part in expected)] == []
    assert "class: breaking change" in report
    assert "getSunrise" in report
    text = (checkout_copy / "openapi" / "tailscale.yaml").read_text()
    assert "sentence" not in text.split("getSunrise")[1][:2000]
    assert new_method_answers(checkout_copy) == {"operation": "getSunrise", "minutes": 7}

    assert main(["check"], root=checkout_copy) == 1
    findings = "\n".join(report_of(capsys))
    assert "operation getSunrise: x-sdk is provisional" in findings
    assert "getSunrise" in findings
    assert "Device.moonPhase" in findings
    assert "mcp_adapter/operations" in findings


def new_method_answers(copy: Path) -> dict[str, Any]:
    """Call the method of the new operation in the regenerated SDK, over a mock wire."""
    script = (
        "import httpx, json\n"
        "from tailscale_sdk import Tailscale, OPERATIONS\n"
        "wire = httpx.MockTransport(lambda r: httpx.Response(200, json={'minutes': 7}))\n"
        "operation = OPERATIONS['getSunrise']\n"
        "client = Tailscale(api_key='tskey-api-demo', _wire=wire)\n"
        "answer = getattr(getattr(client, operation.resource), operation.method)()\n"
        "print(json.dumps({'operation': operation.operation_id, 'minutes': answer.minutes}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=copy
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize(
    "content, place",
    [
        ("not: [closed", "(document)"),
        ("[]", "(document)"),
        (yaml.safe_dump({"openapi": "3.0.0", "paths": {}}), "/openapi"),
        (yaml.safe_dump({"openapi": "3.1.0", "info": {"title": "x", "version": "1"}, "paths": []}), "/paths"),
        (
            yaml.safe_dump(
                {
                    "openapi": "3.1.0",
                    "info": {"title": "Pets", "version": "1"},
                    "servers": [{"url": "https://pets.example.com"}],
                    "paths": {
                        "/pets": {"get": {"operationId": "pets", "responses": {"200": {"description": "ok"}}}}
                    },
                }
            ),
            "/servers",
        ),
    ],
)
def test_a_broken_or_foreign_document_touches_nothing(
    checkout_copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, place: str
) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(content)
    before = contents(checkout_copy)
    assert main(["regenerate", str(bad)], root=checkout_copy) == 2
    assert f"refused, no file was changed: {place}" in capsys.readouterr().err
    assert contents(checkout_copy) == before


def test_a_document_the_generator_cannot_serve_restores_the_description(
    checkout_copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def clash(document: dict[str, Any]) -> None:
        marks = document["paths"]["/device/{deviceId}"]["get"]["x-sdk"]
        marks["method"] = "list"

    shutil.copy(changed(tmp_path, clash), checkout_copy / "openapi" / "tailscale.yaml")
    before = (checkout_copy / "openapi" / "tailscale.yaml").read_bytes()
    assert main(["generate"], root=checkout_copy) == 2
    assert "two operations share a method name" in capsys.readouterr().err
    assert (checkout_copy / "openapi" / "tailscale.yaml").read_bytes() == before


@pytest.mark.untraced
def test_the_committed_files_are_current_under_another_hash_seed() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "codegen", "check"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_generate_rebuilds_what_was_edited_lost_or_left_over(
    checkout_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(checkout_copy)
    generated = checkout_copy / "tailscale_sdk" / "_generated"
    (generated / "models" / "user.py").write_text("edited = True\n")
    (generated / "models" / "device.py").unlink()
    (checkout_copy / "tailscale_sdk" / "resources" / "left_over.py").write_text("")
    (checkout_copy / "mcp_adapter" / "_catalog.json").write_text("{}")
    assert main(["generate"], root=checkout_copy) == 0
    assert report_of(capsys)[0].endswith(" files generated from openapi/tailscale.yaml")
    assert contents(checkout_copy) == before


@pytest.mark.untraced
def test_a_change_that_cannot_be_generated_leaves_every_file_as_it_was(
    checkout_copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def attach(document: dict[str, Any]) -> None:
        picture = {"type": "string", "format": "binary"}
        document["components"]["schemas"]["Device"]["properties"]["picture"] = picture

    before = contents(checkout_copy)
    assert main(["regenerate", changed(tmp_path, attach)], root=checkout_copy) == 2
    assert "refused, no file was changed: picture: no decoder for FileProperty" in capsys.readouterr().err
    assert contents(checkout_copy) == before


def test_an_interrupt_ends_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("codegen.__main__.compare_sources", interrupt)
    assert main(["diff", "old.json", "new.json"]) == 130


def test_a_published_document_is_compared_as_if_it_had_been_imported(
    imported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = str(imported / "openapi" / "tailscale.yaml")
    same = save(imported / "same.json", published())
    assert main(["diff", "--imported", ours, same], root=imported) == 0
    assert report_of(capsys) == []
    newer = published()
    newer["components"]["schemas"]["mood"]["enum"].append("sleepy")
    assert main(["diff", "--imported", ours, save(imported / "newer.json", newer)], root=imported) == 1
    lines = report_of(capsys)
    assert len(lines) > 1
    assert all("enum: sleepy" in line for line in lines)
    del newer["paths"]["/machine/{machineId}/tags"]
    assert main(["diff", "--imported", ours, save(imported / "newer.json", newer)], root=imported) == 2


def test_diff_speaks_in_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, grown, shrunk = published(), published(), published()
    grown["components"]["schemas"]["Machine"]["properties"]["moonPhase"] = {"type": "string"}
    del shrunk["paths"]["/machine/{machineId}/tags"]
    paths = {
        name: save(tmp_path / f"{name}.json", document)
        for name, document in (("old", old), ("grown", grown), ("shrunk", shrunk))
    }
    assert main(["diff", paths["old"], paths["old"]]) == 0
    assert report_of(capsys) == []
    assert main(["diff", paths["old"], paths["grown"]]) == 1
    assert "ADDED    GET /machine/{machineId} -> 200: .moonPhase added" in report_of(capsys)
    assert main(["diff", paths["old"], paths["shrunk"]]) == 2
    assert report_of(capsys) == ["BREAKING POST /machine/{machineId}/tags: operation removed"]


@pytest.mark.untraced
def test_upstream_imports_to_what_is_committed(
    reference_data: Path, checkout_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    upstream = reference_data / "tailscale-api-upstream.json"
    before = contents(checkout_copy)
    assert main(["import", str(upstream)], root=checkout_copy) == 0, capsys.readouterr().out
    assert report_of(capsys) == ["no structural change"]
    assert contents(checkout_copy) == before
    assert main(["import", "--verify-wording", str(upstream)], root=checkout_copy) == 0
    assert report_of(capsys) == []


def test_the_library_entry_point_the_generator_uses_is_there() -> None:
    library = importlib.import_module("openapi_python_client")
    assert callable(library._get_project_for_url_or_path)
