"""Everything that is made from the description: what it is, writing it, comparing it with what is there."""

from __future__ import annotations

import json
from pathlib import Path

from codegen.catalog import compile_catalog
from codegen.document import load_document
from codegen.generate import GENERATOR_VERSION, SETTINGS, TEMPLATES, differences, render, write
from codegen.importer import DESCRIPTION, LOCK
from codegen.lock import generation, read_lock, record_generation

PACKAGE = Path("tailscale_sdk")
MAPS = Path("mcp_adapter/operations")
CATALOG = Path("mcp_adapter/_catalog.json")


def _files(root: Path) -> dict[str, bytes]:
    lock = read_lock(root / LOCK)
    return render(root / DESCRIPTION, reconciled=lock.get("reconciled", ""))


def _settings() -> str:
    return json.dumps(SETTINGS.model_dump(mode="json"), sort_keys=True)


def _templates() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(TEMPLATES.glob("*.jinja"))}


def write_outputs(root: Path) -> int:
    """Generate everything and replace what is there.

    Args:
        root: the checkout.

    Returns:
        Number of files written.

    Raises:
        GenerationFailed: the description cannot be served; no file is changed.
    """
    files = _files(root)
    catalog, _ = compile_catalog(load_document(root / DESCRIPTION), root / MAPS, root / PACKAGE)
    write(root / PACKAGE, files)
    (root / CATALOG).write_bytes(catalog)
    record_generation(root, generator=GENERATOR_VERSION, configuration=_settings(), templates=_templates())
    return len(files) + 1


def compare_outputs(root: Path) -> list[str]:
    """Name each output that differs from what would be generated now, and each gap in the operation map.

    Args:
        root: the checkout.
    """
    found = [f"{PACKAGE}/{line.split(' ')[-1]}: {line}" for line in differences(root / PACKAGE, _files(root))]
    catalog, problems = compile_catalog(load_document(root / DESCRIPTION), root / MAPS, root / PACKAGE)
    found += [f"{MAPS}: {problem}" for problem in problems]
    if not (root / CATALOG).is_file() or (root / CATALOG).read_bytes() != catalog:
        found.append(f"{CATALOG}: stale, run make generate")
    made = generation(root, generator=GENERATOR_VERSION, configuration=_settings(), templates=_templates())
    if read_lock(root / LOCK).get("generation") != made:
        found.append(
            f"{LOCK}: was made with another generator, templates, settings or overlay: run make generate"
        )
    return found
