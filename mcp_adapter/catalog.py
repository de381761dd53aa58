"""The compiled operation map: what exists, found by tool, by action and by operation id."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

EFFECTS = ("read", "write", "delete")
_FILE = Path(__file__).with_name("_catalog.json")
_LISTING = frozenset({"list", "values", "rows"})

Entry = Mapping[str, Any]


def is_listing(entry: Entry) -> bool:
    """Tell whether an action answers a list, which is shown by pages."""
    return entry["answer"] in _LISTING


def is_workflow(entry: Entry) -> bool:
    """Tell whether an action is a function of the SDK's operations layer instead of one API operation."""
    return "given" in entry


def domain_of(entry: Entry) -> str:
    """Return the domain of an action."""
    path: str = entry["operation" if is_workflow(entry) else "call"]
    return path.split(".")[0]


def name_of(entry: Entry) -> str:
    """Name an action in words that tell how it is called: its tool, and the action where there is a choice."""
    alone = is_workflow(entry) and entry["tool"] == f"{domain_of(entry)}_{entry['method']}"
    return str(entry["tool"]) if alone else f"{entry['tool']} {entry['method']}"


@frozen
class ToolGroup:
    """Hold the actions that belong into one tool.

    Attributes:
        name: of the tool.
        about: its first sentence.
        choosing: it takes an ``action``; a tool that does one thing only takes none.
    """

    name: str
    domain: str
    effect: str
    about: str
    entries: tuple[Entry, ...]
    choosing: bool = True


@frozen
class Catalog:
    """Hold the domains of the catalog in the order tools are listed, and the workflow tools that come after them."""

    domains: tuple[Mapping[str, Any], ...]
    entries: Mapping[str, Entry]
    """Catalog entries by operation id."""
    workflows: tuple[Mapping[str, Any], ...] = ()

    @property
    def domain_names(self) -> tuple[str, ...]:
        """Return the names that ``--toolsets`` and its relatives accept."""
        return tuple(dict.fromkeys(each["domain"] for each in [*self.domains, *self.workflows]))

    def tools(self) -> Iterator[ToolGroup]:
        """Walk the tools in the order they are listed."""
        for domain in self.domains:
            name = domain["domain"]
            for effect in EFFECTS:
                entries = tuple(entry for entry in domain["operations"] if entry["effect"] == effect)
                if entries:
                    yield ToolGroup(f"{name}_{effect}", name, effect, domain["about"][effect], entries)
        for tool in self.workflows:
            yield ToolGroup(
                tool["tool"],
                tool["domain"],
                tool["effect"],
                tool["about"],
                tuple(tool["operations"]),
                tool["choosing"],
            )

    def methods(self, domain: str) -> Mapping[str, Entry]:
        """Return every entry of a domain by method name."""
        return {
            entry["method"]: entry
            for group in self.tools()
            if group.domain == domain
            for entry in group.entries
        }


def read_catalog(path: Path = _FILE) -> Catalog:
    """Read the compiled catalog."""
    return catalog_from(json.loads(path.read_bytes()))


def catalog_from(content: Mapping[str, Any]) -> Catalog:
    """Return the catalog of its JSON content."""
    domains = tuple(content["domains"])
    entries = {entry["operation"]: entry for domain in domains for entry in domain["operations"]}
    return Catalog(domains, entries, tuple(content["workflows"]))
