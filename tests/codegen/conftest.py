"""A checkout of its own for each test of the import."""

from __future__ import annotations

from pathlib import Path

import pytest

from codegen.importer import import_document
from tests.codegen.published import published, save

OVERLAY = """\
overlay: 1.0.0
info: {title: corrections, version: "1"}
actions:
- target: $.components.schemas.Machine.properties.seen
  reason: Absent machines answer null.
  update: {nullable: true}
- target: $.components.schemas.Machine.properties.latency.additionalProperties
  reason: A readable name.
  update: {x-sdk: {name: RelayLatency}}
- target: $.components.schemas.mood
  reason: Moods are added without notice.
  update: {x-sdk: {open: [string]}}
- target: $.paths['/machine/{machineId}'].delete.responses['200']
  reason: The answer names the trace.
  update: {headers: {Trace: {schema: {type: string}}}}
"""


Contents = dict[str, bytes]


def fill(root: Path, files: Contents) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a checkout that holds an overlay and nothing else."""
    return fill(tmp_path, {"openapi/overlay.yaml": OVERLAY.encode()})


@pytest.fixture(scope="session")
def first_import(tmp_path_factory: pytest.TempPathFactory) -> Contents:
    """Import once what many tests begin with: marks confirmed and texts written."""
    root = fill(tmp_path_factory.mktemp("imported"), {"openapi/overlay.yaml": OVERLAY.encode()})
    import_document(save(root / "published.json", published()), root)
    description = root / "openapi" / "tailscale.yaml"
    text = description.read_text().replace("TODO(wording)", "Our own words.")
    description.write_text(text.replace("        provisional: true\n", ""))
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def imported(tmp_path: Path, first_import: Contents) -> Path:
    """Return a checkout after the first import, marks confirmed and texts written."""
    return fill(tmp_path, first_import)
