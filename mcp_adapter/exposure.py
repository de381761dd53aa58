"""What may be called: which tools exist for this start, and why others do not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from attrs import evolve, field, frozen

from mcp_adapter.catalog import Catalog, Entry

EVERY: frozenset[str] = frozenset({"*"})
"""Stands for all domains in a flag without a list."""

Surface = Literal["portmanteau", "granular"]

_DOING = {"read": "Reading", "write": "Writing", "delete": "Deleting"}
_EXTRA: Mapping[str, tuple[str, ...]] = {
    "read": (),
    "write": ("dry_run",),
    "delete": ("dry_run", "confirm"),
}


class ExposureError(ValueError):
    """Say which flag names something that does not exist."""


@frozen
class Exposure:
    """Hold what the operator allows; decided once, at start.

    Attributes:
        toolsets: domains to serve; None for all.
        exclude: domains not to serve; beats ``toolsets``.
        write: domains that may be changed; ``EVERY`` for all.
        delete: domains in which may be deleted, revoked, replaced as a whole; does not imply ``write``.
        read_only: beats everything.
        granted: OAuth scopes of the credential, when what lacks them is left out; None to leave nothing out.
    """

    toolsets: frozenset[str] | None = None
    exclude: frozenset[str] = frozenset()
    write: frozenset[str] = frozenset()
    delete: frozenset[str] = frozenset()
    read_only: bool = False
    granted: frozenset[str] | None = None

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
            "--allow-delete": self.delete - EVERY,
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
        if effect != "read":
            if self.read_only:
                return f"The server was started with --read-only (tool {tool}, not enabled)."
            allowed = self.write if effect == "write" else self.delete
            if not allowed & {domain, *EVERY}:
                flag = f"--allow-{effect}"
                needed = f"{flag}={','.join([*sorted(allowed), domain])}" if allowed else flag
                return f"{_DOING[effect]} needs {needed} (tool {tool}, not enabled)."
        if self.granted is not None and (lacking := lacking_scopes(entry, self.granted)):
            return f"The credential of this server lacks {lacking} (tool {tool}, not enabled)."
        return None


def covers(granted: frozenset[str], scope: str) -> bool:
    """Tell whether granted scopes include one: ``X`` covers ``X:read``, ``all`` covers everything."""
    reading = scope.endswith(":read")
    return (
        scope in granted
        or "all" in granted
        or (reading and ("all:read" in granted or scope.removesuffix(":read") in granted))
    )


def lacking_scopes(entry: Entry, granted: frozenset[str]) -> str | None:
    """Name what a credential lacks for an operation; None when it may be tried.

    Args:
        entry: catalog entry.
        granted: scopes the token endpoint said were granted.
    """
    scopes, mode = entry["scopes"], entry["scopes_mode"]
    if not scopes or mode == "none":
        return None
    missing = [scope for scope in scopes if not covers(granted, scope)]
    if mode == "all":
        return " and ".join(missing) or None
    # By type or by field one of them is enough for a part of it.
    return " or ".join(missing) if len(missing) == len(scopes) else None


@frozen
class ToolSpec:
    """Describe one tool: its domain, effect and the actions it serves.

    Attributes:
        missing: why each other method of the domain cannot be called here, by method name.
        extra: parameters beside those of the API.
        choosing: the tool has an ``action`` argument; without it there is a single action.
        profiles: names the ``tailnet`` argument accepts; none when there is one tailnet only.
    """

    name: str
    domain: str
    effect: str
    about: str
    entries: tuple[Entry, ...]
    missing: Mapping[str, str] = field(factory=dict)
    extra: tuple[str, ...] = ()
    choosing: bool = True
    profiles: tuple[str, ...] = ()

    @property
    def by_method(self) -> Mapping[str, Entry]:
        """Return the served operations by action name."""
        return {entry["method"]: entry for entry in self.entries}


def _extra_of(effect: str, entries: Sequence[Entry], *, reveal: bool) -> tuple[str, ...]:
    once = reveal and any(entry.get("once") for entry in entries)
    return (*_EXTRA[effect], *(("reveal",) if once else ()))


def served_tools(
    catalog: Catalog,
    exposures: Exposure | Sequence[Exposure],
    *,
    surface: Surface = "portmanteau",
    profiles: tuple[str, ...] = (),
    reveal: bool = True,
) -> list[ToolSpec]:
    """Choose the tools that are registered, in the order they are listed.

    Args:
        catalog: every operation.
        exposures: what the operator allows, in one or several profiles; an action is listed that one of them allows.
        surface: one tool per domain and effect, or one per operation.
        profiles: names of the profiles when there are several.
        reveal: the operator lets secrets be shown, so the parameter that asks for it is offered.
    """
    allowed_by = (exposures,) if isinstance(exposures, Exposure) else tuple(exposures)
    found = []
    for group in catalog.tools():
        name = group.domain
        allowed = tuple(
            entry for entry in group.entries if any(e.reason_against(name, entry) is None for e in allowed_by)
        )
        if not allowed:
            continue
        missing = _elsewhere(catalog, allowed_by[0], name, allowed) if group.choosing else {}
        extra = _extra_of(group.effect, allowed, reveal=reveal)
        tool = ToolSpec(
            group.name, name, group.effect, group.about, allowed, missing, extra, choosing=group.choosing
        )
        granular = surface == "granular" and group.choosing
        found += _by_operation(tool, reveal=reveal) if granular else [tool]
    return [evolve(spec, profiles=profiles) for spec in found]


def _by_operation(tool: ToolSpec, *, reveal: bool) -> list[ToolSpec]:
    return [
        evolve(
            tool,
            name=f"{tool.domain}_{entry['method']}",
            about=f"{tool.domain}: {entry['summary']}",
            entries=(entry,),
            missing={},
            extra=_extra_of(tool.effect, (entry,), reveal=reveal),
            choosing=False,
        )
        for entry in tool.entries
    ]


def all_tools(catalog: Catalog) -> list[ToolSpec]:
    """Describe every tool with every parameter it can have."""
    return served_tools(catalog, Exposure(write=EVERY, delete=EVERY))


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
    for group in catalog.tools():
        for entry in group.entries:
            if tool in {group.name, f"{group.domain}_{entry['method']}"}:
                reason = exposure.reason_against(group.domain, entry) or f"Use tool {entry['tool']}."
                return f"Unknown tool {tool}. {reason}".strip()
    return "Unknown tool. Call tools/list for the tools of this server."


def hints_of(effect: str) -> Mapping[str, Any]:
    """Return the hints of an effect; the idempotent one depends on the operations."""
    return {
        "read_only_hint": effect == "read",
        "destructive_hint": effect == "delete",
        "open_world_hint": True,
    }
