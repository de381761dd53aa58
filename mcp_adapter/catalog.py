"""The compiled operation map: what exists, found by tool, by action and by operation id."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

EFFECTS = ("read", "write", "delete")
_FILE = Path(__file__).with_name("_catalog.json")

Entry = Mapping[str, Any]


@frozen
class Catalog:
    """Hold the domains of the catalog in the order tools are listed."""

    domains: tuple[Mapping[str, Any], ...]
    entries: Mapping[str, Entry]
    """Catalog entries by operation id."""

    @property
    def domain_names(self) -> tuple[str, ...]:
        """Return the names that ``--toolsets`` and its relatives accept."""
        return tuple(domain["domain"] for domain in self.domains)

    def tools(self) -> Iterator[tuple[Mapping[str, Any], str, list[Entry]]]:
        """Walk (domain, effect, entries) of every tool, in the order tools are listed."""
        for domain in self.domains:
            for effect in EFFECTS:
                entries = [entry for entry in domain["operations"] if entry["effect"] == effect]
                if entries:
                    yield domain, effect, entries

    def methods(self, domain: str) -> Mapping[str, Entry]:
        """Return every entry of a domain by method name."""
        return {
            entry["method"]: entry for entry in self.entries.values() if entry["call"].split(".")[0] == domain
        }


def read_catalog(path: Path = _FILE) -> Catalog:
    """Read the compiled catalog."""
    domains = tuple(json.loads(path.read_bytes())["domains"])
    return Catalog(
        domains, {entry["operation"]: entry for domain in domains for entry in domain["operations"]}
    )
