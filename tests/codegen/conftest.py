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


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a checkout that holds an overlay and nothing else."""
    (tmp_path / "openapi").mkdir()
    (tmp_path / "openapi" / "overlay.yaml").write_text(OVERLAY)
    return tmp_path


@pytest.fixture
def imported(root: Path) -> Path:
    """Return a checkout after the first import, marks confirmed and texts written."""
    import_document(save(root / "published.json", published()), root)
    description = root / "openapi" / "tailscale.yaml"
    text = description.read_text().replace("TODO(wording)", "Our own words.")
    description.write_text(text.replace("        provisional: true\n", ""))
    return root
