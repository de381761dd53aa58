"""The lock file: what the description was last reconciled with, and what was last generated from it."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from codegen.diff import operation_shape
from codegen.document import operations
from codegen.structure import structure


def build_lock(
    document: Mapping[str, Any],
    published: Mapping[str, Any],
    previous: Mapping[str, Any],
    overlay: Path,
    *,
    today: dt.date | None = None,
) -> dict[str, Any]:
    """Describe a description after an import.

    Args:
        document: the description, normalised.
        published: structure of the document it was reconciled with.
        previous: the lock so far, empty for none.
        overlay: the overlay file.
        today: date to note when there is something new; today in UTC when left out.

    Returns:
        The lock: the date stays while the published structure or our own does, so that an import without
        a structural change changes no generated file, on whatever day it is repeated.
    """
    upstream, shape = digest(published), structure_digest(document)
    same = previous.get("structure_sha256") == shape
    if same and upstream == shape:
        # Our own description came back: nothing newer was published.
        upstream = previous["upstream_sha256"]
    known = same or previous.get("upstream_sha256") == upstream
    day = previous["reconciled"] if known else (today or dt.datetime.now(dt.UTC).date()).isoformat()
    return {
        "reconciled": day,
        "upstream_sha256": upstream,
        "structure_sha256": shape,
        "counts": counts(document),
        "operations": {
            e.node["operationId"]: digest(operation_shape(document, e)) for e in operations(document)
        },
        "overlay_sha256": file_digest(overlay),
        "generation": previous.get("generation", {}),
    }


def record_generation(
    root: Path, *, generator: str, configuration: str, templates: Mapping[str, bytes]
) -> None:
    """Note in the lock what the last generation was made with.

    Args:
        root: the checkout.
        generator: exact version of the generator.
        configuration: the generator's settings as text, in a stable order.
        templates: content of each template by name.
    """
    path = root / "openapi" / "upstream.lock.json"
    lock = read_lock(path)
    lock["generation"] = generation(
        root, generator=generator, configuration=configuration, templates=templates
    )
    path.write_text(lock_text(lock), encoding="utf-8")


def generation(
    root: Path, *, generator: str, configuration: str, templates: Mapping[str, bytes]
) -> dict[str, str]:
    """Describe what a generation is made with, to be noted or compared."""
    return {
        "generator": generator,
        "configuration_sha256": hashlib.sha256(configuration.encode()).hexdigest(),
        "templates_sha256": digest(
            {name: hashlib.sha256(text).hexdigest() for name, text in templates.items()}
        ),
        "overlay_sha256": file_digest(root / "openapi" / "overlay.yaml"),
    }


def read_lock(path: Path) -> dict[str, Any]:
    """Read the lock; an absent one is empty."""
    if not path.exists():
        return {}
    lock: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return lock


def lock_text(lock: Mapping[str, Any]) -> str:
    """Return the lock as it is written."""
    return json.dumps(lock, indent=2) + "\n"


def structure_digest(document: Mapping[str, Any]) -> str:
    """Return the hash of a description without its words and marks."""
    return digest(structure(document))


def counts(document: Mapping[str, Any]) -> dict[str, int]:
    """Count what a description holds; the tests and the generators compare with these numbers."""
    found = {"paths": len(document["paths"]), "operations": 0, "parameters": 0, "request_bodies": 0}
    methods: dict[str, int] = {}
    for endpoint in operations(document):
        found["operations"] += 1
        found["parameters"] += len(endpoint.node.get("parameters", []))
        found["request_bodies"] += "requestBody" in endpoint.node
        methods[endpoint.method] = methods.get(endpoint.method, 0) + 1
    found["tags"] = len(document.get("tags", []))
    found["schemas"] = len(document["components"].get("schemas", {}))
    return {**found, **dict(sorted(methods.items()))}


def digest(value: Any) -> str:
    """Return the SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(
        json.dumps(value, sort_keys=True, separators=(",", ":"), default=sorted).encode()
    ).hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, of nothing when it is absent."""
    return hashlib.sha256(path.read_bytes() if path.exists() else b"").hexdigest()
