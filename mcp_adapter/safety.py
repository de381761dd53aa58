"""What may be called: which tools exist for this start, why others do not, and the one way to write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import field, frozen

from mcp_adapter.calling import call_operation, state_of
from mcp_adapter.catalog import Catalog, Entry

EVERY: frozenset[str] = frozenset({"*"})
"""Stands for all domains in a flag without a list."""

_DOING = {"read": "Reading", "write": "Writing", "delete": "Deleting"}


class ExposureError(ValueError):
    """Say which flag names something that does not exist."""


@frozen
class Exposure:
    """Hold what the operator allows; decided once, at start.

    Attributes:
        toolsets: domains to serve; None for all.
        exclude: domains not to serve; beats ``toolsets``.
        write: domains that may be changed; ``EVERY`` for all.
        read_only: beats everything.
    """

    toolsets: frozenset[str] | None = None
    exclude: frozenset[str] = frozenset()
    write: frozenset[str] = frozenset()
    read_only: bool = False

    def check(self, domains: Iterable[str]) -> None:
        """Refuse names that are no domains.

        Raises:
            ExposureError: naming the flag, the name and what is accepted.
        """
        known = tuple(domains)
        flags = {
            "--toolsets": self.toolsets or (),
            "--exclude": self.exclude,
            "--allow-write": self.write - EVERY,
        }
        for flag, names in flags.items():
            unknown = sorted(set(names) - set(known))
            if unknown:
                raise ExposureError(
                    f"{flag}: unknown domain {', '.join(unknown)}; known are {', '.join(known)}"
                )

    def reason_against(self, domain: str, entry: Entry) -> str | None:
        """Return why an operation is not served, in words that name the flag; None when it is."""
        effect, tool = entry["effect"], entry["tool"]
        if domain in self.exclude:
            return f"The operator left {domain} out with --exclude."
        if self.toolsets is not None and domain not in self.toolsets:
            return f"The operator left {domain} out with --toolsets."
        if effect == "delete":
            return f"{_DOING[effect]} is not available in this version (tool {tool})."
        if effect == "write" and self.read_only:
            return f"The server was started with --read-only (tool {tool}, not enabled)."
        if effect == "write" and not (self.write & {domain, *EVERY}):
            needed = (
                f"--allow-write={','.join([*sorted(self.write), domain])}" if self.write else "--allow-write"
            )
            return f"{_DOING[effect]} needs {needed} (tool {tool}, not enabled)."
        if entry.get("once"):
            return f"{tool} {entry['method']} answers a secret once, which is not available in this version."
        return None


EVERYTHING: Mapping[str, tuple[str, ...]] = {
    "read": (),
    "write": ("dry_run",),
    "delete": ("dry_run", "confirm"),
}
"""Parameters that come with the change engine, by effect: measured already, not served yet."""


@frozen
class ToolSpec:
    """Describe one tool: its domain, effect and the operations it serves.

    Attributes:
        missing: why each other method of the domain cannot be called here, by method name.
    """

    name: str
    domain: str
    effect: str
    about: str
    entries: tuple[Entry, ...]
    missing: Mapping[str, str] = field(factory=dict)
    extra: tuple[str, ...] = ()

    @property
    def by_method(self) -> Mapping[str, Entry]:
        """Return the served operations by action name."""
        return {entry["method"]: entry for entry in self.entries}


def served_tools(catalog: Catalog, exposure: Exposure) -> list[ToolSpec]:
    """Choose the tools that are registered, in the order they are listed."""
    found = []
    for domain, effect, entries in catalog.tools():
        name = domain["domain"]
        allowed = tuple(entry for entry in entries if exposure.reason_against(name, entry) is None)
        if allowed:
            missing = _elsewhere(catalog, exposure, name, allowed)
            found.append(
                ToolSpec(f"{name}_{effect}", name, effect, domain["about"][effect], allowed, missing)
            )
    return found


def all_tools(catalog: Catalog) -> list[ToolSpec]:
    """Describe every tool of the API, with the parameters it will have, whatever is served now."""
    found = []
    for domain, effect, entries in catalog.tools():
        reveal = ("reveal",) if any(entry.get("once") for entry in entries) else ()
        name, extra = domain["domain"], (*EVERYTHING[effect], *reveal)
        found.append(
            ToolSpec(f"{name}_{effect}", name, effect, domain["about"][effect], tuple(entries), {}, extra)
        )
    return found


def _elsewhere(catalog: Catalog, exposure: Exposure, domain: str, here: Sequence[Entry]) -> dict[str, str]:
    """Say of each method of a domain that this tool does not serve where it is, or why it is not."""
    served = {entry["method"] for entry in here}
    others = {method: entry for method, entry in catalog.methods(domain).items() if method not in served}
    return {
        method: exposure.reason_against(domain, entry) or f"Use tool {entry['tool']}."
        for method, entry in others.items()
    }


def explain_absent(catalog: Catalog, exposure: Exposure, tool: str) -> str:
    """Say of a tool that is not registered what would make it so."""
    for domain, effect, entries in catalog.tools():
        if f"{domain['domain']}_{effect}" == tool:
            reasons = [exposure.reason_against(domain["domain"], entry) for entry in entries]
            return f"Unknown tool {tool}. {reasons[0] or ''}".strip()
    return "Unknown tool. Call tools/list for the tools of this server."


async def perform_write(
    client: Any, catalog: Catalog, entry: Entry, arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """Carry out one change and show the state before and after it, where one cheap read can.

    Args:
        client: an ``AsyncTailscale``.
        catalog: to find the read that belongs to the write.
        entry: catalog entry of the write.
        arguments: checked arguments of the SDK method.

    Raises:
        TailscaleError: the change was refused, or it is not known whether it was done.
    """
    before = await state_of(client, catalog, entry, arguments, before_write=True)
    answer = await call_operation(client, entry, arguments)
    change = entry.get("change", {"fields": []})
    result: dict[str, Any] = {"ok": True}
    if before is not None:
        after = await state_of(client, catalog, entry, arguments, before_write=False)
        result |= _difference(before, after, change["fields"], _named(entry, arguments))
    elif answer is not None:
        result["after"] = answer
    return result


def _named(entry: Entry, arguments: Mapping[str, Any]) -> set[str]:
    return {parameter["api"] for parameter in entry["params"] if parameter["name"] in arguments}


def _difference(
    before: Mapping[str, Any], after: Mapping[str, Any] | None, fields: Sequence[str], named: set[str]
) -> dict[str, Any]:
    """Keep the fields that were named or moved; all of them when neither is the case."""
    watched = sorted({*before, *(after or {})}) if "*" in fields else list(fields)
    kept = [
        name
        for name in watched
        if name in named or (after is not None and before.get(name) != after.get(name))
    ]
    shown = kept or watched
    result: dict[str, Any] = {"before": {name: before.get(name) for name in shown}}
    if after is not None:
        result["after"] = {name: after.get(name) for name in shown}
    return result
