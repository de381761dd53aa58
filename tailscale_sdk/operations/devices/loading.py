"""Read devices with as much of a query as the API can answer itself; the rest, and all of it again, is tested here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tailscale_sdk.client import AsyncTailscale, Tailscale
from tailscale_sdk.operations.devices.language import All, Node, Term, read_query
from tailscale_sdk.operations.fleet import Fleet, read_fleet
from tailscale_sdk.snapshot import TailnetSnapshot

# Only what is there on every device that matches: the API leaves out what is false, and compares text exactly.
_WHERE_TRUE: Final[Mapping[str, str]] = {
    "online": "connectedToControl",
    "update": "updateAvailable",
    "external": "isExternal",
    "ephemeral": "isEphemeral",
    "ssh": "sshEnabled",
    "authorized": "authorized",
}
_YES: Final = frozenset({"yes", "true"})
_PATTERN: Final = frozenset("*?[~|")


def pushable(query: Node | str) -> dict[str, str | list[str]]:
    """Return the part of a query that the API can answer, as ``filters`` of ``devices.list``.

    Args:
        query: as text or as read.
    """
    found: dict[str, str | list[str]] = {}
    tags: list[str] = []
    for term in _certain(read_query(query) if isinstance(query, str) else query):
        if _PATTERN & set(term.value):
            continue
        if term.name == "tag" and term.value not in {"", "none"}:
            tags.append(term.value if term.value.startswith("tag:") else f"tag:{term.value}")
        elif term.name in _WHERE_TRUE and term.value.lower() in _YES:
            found[_WHERE_TRUE[term.name]] = "true"
        elif term.name == "expiry" and term.value == "disabled":
            found["keyExpiryDisabled"] = "true"
        elif term.name == "incoming" and term.value == "blocked":
            found["blocksIncomingConnections"] = "true"
    return {**found, **({"tags": list(dict.fromkeys(tags))} if tags else {})}


def _certain(node: Node) -> Iterator[Term]:
    """Yield the terms that every matching device fulfils."""
    if isinstance(node, Term):
        yield node
    elif isinstance(node, All):
        for part in node.parts:
            yield from _certain(part)


def load_fleet(client: Tailscale, query: Node | str = "", *, push_down: bool = True) -> Fleet:
    """Read the devices a query may match; whoever asks tests the query again.

    Args:
        client: reads.
        query: as text or as read; every device when left out.
        push_down: let the API answer what it can.

    Raises:
        TailscaleError: they cannot be read.

    Scope: ``devices:core:read``.
    """
    found = client.devices.list(fields="all", filters=_filters(query, push_down))
    return _fleet(client.tailnet, [device.to_dict() for device in found])


async def load_fleet_async(
    client: AsyncTailscale, query: Node | str = "", *, push_down: bool = True
) -> Fleet:
    """Read the devices a query may match with an asynchronous client, as ``load_fleet`` does."""
    found = await client.devices.list(fields="all", filters=_filters(query, push_down))
    return _fleet(client.tailnet, [device.to_dict() for device in found])


def _filters(query: Node | str, push_down: bool) -> Any:
    return (pushable(query) or None) if push_down else None


def _fleet(tailnet: str, devices: list[dict[str, Any]]) -> Fleet:
    return read_fleet(TailnetSnapshot.from_dict({"tailnet": tailnet, "devices": devices}))
