"""``tailscale-mcp doctor``: what this server may do and what it lacks, found out by reading only."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from attrs import asdict, define, field

from mcp_adapter.calling import call_operation
from mcp_adapter.catalog import Catalog, Entry, read_catalog
from mcp_adapter.exposure import lacking_scopes, served_tools
from mcp_adapter.runtime import Profile, Settings
from tailscale_sdk.errors import (
    APIConnectionError,
    APIStatusError,
    AuthenticationError,
    PermissionDeniedError,
    TailscaleError,
)

HEALTHY, FINDINGS, UNREACHABLE = 0, 1, 3

# One cheap read for every group of scopes: its refusal tells that the whole group is refused.
_PROBES = (
    "getDnsPreferences",
    "getTailnetSettings",
    "getContacts",
    "listUsers",
    "listTailnetKeys",
    "getPolicyFile",
    "listWebhooks",
    "listServices",
    "getPostureIntegrations",
    "listOAuthApps",
    "listUserInvites",
    "getLogStreamingStatus",
    "listTailnetDevices",
)
_PROBE_ARGUMENTS: Mapping[str, Mapping[str, Any]] = {"getLogStreamingStatus": {"log_type": "configuration"}}
_TAILNET_OWNED = (
    "tokens of OAuth clients and federated identities belong to the tailnet: they see no devices shared into it "
    "and cannot create, resend, delete or accept invites"
)


@define
class Diagnosis:
    """Collect what was found out about one profile."""

    profile: str
    tailnet: str
    credential: str = "unknown"
    key_id: str | None = None
    expires: str | None = None
    scopes: list[str] | None = None
    refused: dict[str, list[str]] = field(factory=dict)
    """Actions that will be answered 403, by tool, each with what it lacks."""
    notes: list[str] = field(factory=list)
    findings: list[str] = field(factory=list)
    reachable: bool = True


async def diagnose(profile: Profile, catalog: Catalog) -> Diagnosis:
    """Ask the API, with reads only, what the credential of a profile may do."""
    client = profile.make_client()
    found = Diagnosis(profile.name, client.tailnet)
    try:
        await _credential(client, found)
        if found.reachable:
            await _rights(client, profile, catalog, found)
    finally:
        await client.aclose()
    return found


async def _credential(client: Any, found: Diagnosis) -> None:
    try:
        access = await client.access()
    except TailscaleError as problem:
        found.reachable = False
        found.findings.append(str(problem))
        return
    found.credential, found.key_id = access.kind, access.key_id
    if access.scopes is not None:
        found.scopes = sorted(access.scopes)
        found.notes.append(_TAILNET_OWNED)
    if access.key_id is None:
        found.notes.append("the id of this credential is not known, so it cannot be protected from deletion")


async def _rights(client: Any, profile: Profile, catalog: Catalog, found: Diagnosis) -> None:
    refused: set[str] = set()
    for operation in _PROBES:
        try:
            await call_operation(client, catalog.entries[operation], _PROBE_ARGUMENTS.get(operation, {}))
        except PermissionDeniedError as problem:
            refused |= set(problem.required_scopes)
        except (AuthenticationError, APIConnectionError) as problem:
            found.reachable = False
            found.findings.append(str(problem))
            return
        except APIStatusError:
            # Not there, or switched off: that says nothing of rights.
            continue
    granted = None if found.scopes is None else frozenset(found.scopes)
    for group in catalog.tools():
        for entry in group.entries:
            if profile.exposure.reason_against(group.domain, entry) is not None:
                continue
            lack = lacking_scopes(entry, granted) if granted is not None else _refused(entry, refused)
            if lack:
                found.refused.setdefault(entry["tool"], []).append(f"{entry['method']}: {lack}")
    if found.refused:
        count = sum(map(len, found.refused.values()))
        found.findings.append(f"{count} served actions will be answered 403 for lack of scopes or role")
    await _expiry(client, found)


def _refused(entry: Entry, refused: set[str]) -> str | None:
    """Conclude from refused reads: where reading is refused, changing will be too."""
    lacking = [scope for scope in entry["scopes"] if {scope, f"{scope}:read"} & refused]
    return " or ".join(lacking) if lacking and len(lacking) == len(entry["scopes"]) else None


async def _expiry(client: Any, found: Diagnosis) -> None:
    if found.key_id is None or found.credential != "api key":
        return
    try:
        key = await client.keys.get(found.key_id)
    except TailscaleError:
        found.notes.append("the expiry of this credential could not be read")
        return
    found.expires = key.expires.isoformat() if key.expires else None


def surface(settings: Settings, catalog: Catalog) -> dict[str, Any]:
    """Measure what is served."""
    from mcp_adapter.measure import listing_bytes

    specs = served_tools(
        catalog,
        [profile.exposure for profile in settings.profiles],
        surface=settings.surface,
        profiles=settings.profile_names,
        reveal=settings.reveal_secrets,
    )
    return {"tools": len(specs), "bytes": listing_bytes(specs), "surface": settings.surface}


def versions() -> dict[str, Any]:
    """Name what runs."""
    from mcp_types.version import SUPPORTED_PROTOCOL_VERSIONS

    from tailscale_sdk import API_DESCRIPTION, __version__

    return {
        "tailscale-sdk": __version__,
        "api_description": API_DESCRIPTION.reconciled,
        "fastmcp": version("fastmcp"),
        "mcp": version("mcp"),
        "python": sys.version.split()[0],
        "protocols": list(SUPPORTED_PROTOCOL_VERSIONS),
    }


def has_bytecode() -> bool:
    """Tell whether FastMCP was compiled when it was installed; without that every first start compiles it."""
    spec = importlib.util.find_spec("fastmcp")
    if spec is None or spec.cached is None:
        return False
    return Path(spec.cached).exists()


def examine(settings: Settings) -> tuple[dict[str, Any], int]:
    """Find out everything there is to say about this start.

    Returns:
        The report as JSON values, and the exit code.
    """
    catalog = read_catalog()
    diagnoses = [asyncio.run(diagnose(profile, catalog)) for profile in settings.profiles]
    report = {
        "profiles": [asdict(diagnosis) for diagnosis in diagnoses],
        "allowed": [_allowed(profile) for profile in settings.profiles],
        "confirm_fallback": settings.confirm_fallback,
        "reveal_secrets": settings.reveal_secrets,
        "transport": "http" if settings.over_http else "stdio",
        "served": surface(settings, catalog),
        "versions": versions(),
        "bytecode": has_bytecode(),
    }
    if not all(diagnosis.reachable for diagnosis in diagnoses):
        return report, UNREACHABLE
    findings = any(diagnosis.findings for diagnosis in diagnoses) or not report["bytecode"]
    return report, FINDINGS if findings else HEALTHY


def _allowed(profile: Profile) -> dict[str, Any]:
    exposure = profile.exposure
    return {
        "profile": profile.name,
        "write": sorted(exposure.write) if not exposure.read_only else [],
        "delete": sorted(exposure.delete) if not exposure.read_only else [],
        "toolsets": sorted(exposure.toolsets) if exposure.toolsets is not None else None,
        "exclude": sorted(exposure.exclude),
        "protected": sorted(profile.protected),
    }


def as_text(report: Mapping[str, Any]) -> str:
    """Write the report for a person."""
    lines: list[str] = []
    for found, allowed in zip(report["profiles"], report["allowed"], strict=True):
        lines += _profile_lines(found, allowed)
    served, named = report["served"], report["versions"]
    lines += [
        f"serves {served['tools']} tools in {served['bytes'] / 1024:.1f} KB over {report['transport']}; deletions "
        + (
            "need the plan's id where nobody can be asked"
            if report["confirm_fallback"] == "token"
            else "need a person"
        ),
        "versions: " + ", ".join(f"{k} {v}" for k, v in named.items() if isinstance(v, str)),
        "protocols: " + ", ".join(named["protocols"]),
    ]
    if not report["bytecode"]:
        lines.append(
            "FastMCP has no bytecode: starts are slow; install with pip, or uv pip install --compile-bytecode"
        )
    return "\n".join(lines) + "\n"


def _profile_lines(found: Mapping[str, Any], allowed: Mapping[str, Any]) -> Sequence[str]:
    credential = f"{found['credential']} {found['key_id'] or ''}".strip()
    tailnet = "of the credential" if found["tailnet"] == "-" else found["tailnet"]
    until = f", until {found['expires']}" if found["expires"] else ""
    tiers = [f"{tier} {', '.join(allowed[tier])}" for tier in ("write", "delete") if allowed[tier]]
    lines = [
        f"profile {found['profile']}: tailnet {tailnet}, {credential}{until}",
        f"  allowed: read{''.join(f'; {tier}' for tier in tiers)}".replace("*", "everything"),
    ]
    if found["scopes"] is not None:
        lines.append(f"  scopes: {', '.join(found['scopes']) or 'none'}")
    for tool, actions in found["refused"].items():
        lines += [f"  will be refused: {tool} {action}" for action in actions]
    lines += [f"  note: {note}" for note in found["notes"]]
    lines += [f"  finding: {finding}" for finding in found["findings"]]
    return lines


def run(settings: Settings, *, as_json: bool) -> int:
    """Print the report and return the exit code."""
    report, code = examine(settings)
    print(
        json.dumps(report, indent=1, ensure_ascii=False) if as_json else as_text(report),
        end="" if not as_json else "\n",
    )
    return code
