"""What is at stake when a policy changes, and what is said when it is lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import field, frozen


@frozen
class Lockout:
    """Hold one thing that nobody may lose by accident.

    Attributes:
        name: what it is overridden by.
        text: who loses what, one sentence.
    """

    name: str
    text: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {"name": self.name, "text": self.text}


@frozen
class Stakes:
    """Say what must not be lost beside what every tailnet must keep.

    Attributes:
        caller: Tailscale addresses of who asks, where this is served over the tailnet.
        server: Tailscale addresses of the node this runs on.
        critical: tags, and names, ids and addresses of devices that admins must keep their way to.
        credentials: API objects of keys, whose tags need owners.
    """

    caller: frozenset[str] = frozenset()
    server: frozenset[str] = frozenset()
    critical: frozenset[str] = frozenset()
    credentials: Sequence[Mapping[str, Any]] = field(default=(), repr=False)
