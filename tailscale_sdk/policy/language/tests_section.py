"""Entries of ``tests`` and ``sshTests``: what is wrong with a test makes it fail, it is no refusal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tailscale_sdk.policy.language import refusals as refused
from tailscale_sdk.policy.language.model import AccessTest, SSHTest
from tailscale_sdk.policy.language.nodes import Fields, Node


def read_tests(section: Node) -> list[AccessTest]:
    """Read the entries of ``tests``; ``allow`` and ``user`` are older names."""
    return [_read_test(index, entry) for index, entry in section.entries()]


def _read_test(index: int, entry: Fields) -> AccessTest:
    source, accept = entry.get("src", "user"), entry.get("accept", "allow")
    return AccessTest(
        index=index,
        place=entry.node.place,
        source=source.text() if source is not None else None,
        accept=tuple(text for text, _ in accept.texts()) if accept is not None else None,
        deny=entry.texts_or_none("deny"),
        proto=_read_proto(entry.get("proto")),
        posture_attributes=_read_attributes(entry.get("srcPostureAttrs")),
    )


def _read_proto(node: Node | None) -> str | None:
    """Read a protocol, by name or as a number with or without quotes."""
    if node is None:
        return None
    return node.text() if node.is_text else str(node.value.data())


def _read_attributes(node: Node | None) -> Mapping[str, Any]:
    return {name: value.value.data() for name, value in node.members()} if node is not None else {}


def read_ssh_tests(section: Node) -> list[SSHTest]:
    """Read the entries of ``sshTests``; a range of addresses cannot be a destination."""
    return [_read_ssh_test(index, entry) for index, entry in section.entries()]


def _read_ssh_test(index: int, entry: Fields) -> SSHTest:
    node = entry.get("dst")
    destinations = list(node.texts()) if node is not None else []
    for text, place in destinations:
        if "/" in text:
            place.refuse(refused.ssh_test_destination(text))
    return SSHTest(
        index=index,
        place=entry.node.place,
        source=entry.text("src"),
        destinations=tuple(text for text, _ in destinations),
        accept=entry.texts("accept"),
        deny=entry.texts("deny"),
        check=entry.texts("check"),
    )
