"""What every call shares: the catalog, the settings of this start, and per profile a client and its engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

from mcp_adapter.catalog import Catalog
from mcp_adapter.exposure import Exposure, Surface
from tailscale_sdk.operations.sharing import SharedReads

if TYPE_CHECKING:
    from tailscale_sdk.changes import AsyncChanges, LocalState
    from tailscale_sdk.operations.snapshots import SnapshotSource

READ_DEADLINE_SECONDS = 50.0
"""Of a tool call that reads; clients give up at 60."""

WRITE_DEADLINE_SECONDS = 120.0
"""Of a tool call that applies a change, reading before and after included."""

CLIENT_TIMEOUT_SECONDS = 45.0
"""Of one SDK call; the SDK's own error says more than the deadline above."""

ClientFactory = Callable[[], Any]
"""Makes an ``AsyncTailscale``; called at the first tool call, not at start."""


@frozen
class Profile:
    """Hold one tailnet this server works on.

    Attributes:
        name: what the ``tailnet`` argument calls it.
        make_client: makes its client.
        exposure: what is allowed in it.
        protected: tags, devices, users and addresses that no change may touch.
    """

    name: str
    make_client: ClientFactory
    exposure: Exposure
    protected: frozenset[str] = frozenset()


@frozen(kw_only=True)
class Settings:
    """Hold what the operator decided at start.

    Attributes:
        profiles: tailnets; the first is the default.
        surface: one tool per domain and effect, or one per operation.
        confirm_fallback: what a deletion needs when nobody can be asked: the plan's id, or it is denied.
        reveal_secrets: secrets that a call makes may be shown when it asks for it.
        over_http: callers are elsewhere: no file is written for them.
        make_state: opens the local state of changes and audit at first use.
    """

    profiles: tuple[Profile, ...]
    surface: Surface = "portmanteau"
    confirm_fallback: str = "token"
    reveal_secrets: bool = False
    over_http: bool = False
    make_state: Callable[[], LocalState] | None = None

    @property
    def profile_names(self) -> tuple[str, ...]:
        """Return the names the ``tailnet`` argument accepts; none for a single profile."""
        return tuple(profile.name for profile in self.profiles) if len(self.profiles) > 1 else ()

    def profile(self, name: str | None) -> Profile:
        """Return a profile by name; the first one without a name."""
        return next((profile for profile in self.profiles if profile.name == name), self.profiles[0])


@define
class Runtime:
    """Hold what tools need; clients are made on first use, on the loop they are used on."""

    catalog: Catalog
    settings: Settings
    reads: SharedReads = field(factory=SharedReads)
    _clients: dict[tuple[int, str], tuple[asyncio.AbstractEventLoop, Any]] = field(factory=dict, init=False)
    _engines: dict[str, tuple[Any, AsyncChanges]] = field(factory=dict, init=False)
    _state: LocalState | None = field(default=None, init=False)

    def client(self, profile: Profile) -> Any:
        """Return the client of a profile on the running event loop."""
        loop = asyncio.get_running_loop()
        key = (id(loop), profile.name)
        known = self._clients.get(key)
        if known is None or known[0] is not loop:
            known = self._clients[key] = (loop, profile.make_client())
        return known[1]

    def state(self) -> LocalState:
        """Return the local state, opened at first use."""
        if self._state is None:
            from tailscale_sdk.changes import LocalState

            make = self.settings.make_state or LocalState
            self._state = make()
        return self._state

    def changes(self, profile: Profile) -> AsyncChanges:
        """Return the change engine of a profile, with the guards that always hold."""
        from tailscale_sdk.changes import AsyncChanges, OwnNode, Protected

        client = self.client(profile)
        known = self._engines.get(profile.name)
        if known is None or known[0] is not client:
            guards = (Protected(profile.protected), OwnNode.here())
            engine = AsyncChanges(client, state=self.state(), profile=profile.name, guards=guards)
            known = self._engines[profile.name] = (client, engine)
        return known[1]

    def snapshots(self, profile: Profile, principal: str) -> SnapshotSource:
        """Return the source of snapshots of a profile for a principal; what it read is forgotten with the rest."""
        from tailscale_sdk.operations.snapshots import SnapshotSource

        return SnapshotSource(
            self.client(profile), profile=profile.name, principal=principal, reads=self.reads
        )

    async def aclose(self) -> None:
        """Close the clients of the running event loop, and the local state."""
        loop = asyncio.get_running_loop()
        for key in [key for key in self._clients if key[0] == id(loop)]:
            owner, client = self._clients.pop(key)
            if owner is loop:
                await client.aclose()
        if self._state is not None:
            self._state.close()
            self._state = None


def single(exposure: Exposure, make_client: ClientFactory, **settings: Any) -> Settings:
    """Return the settings of a server over one tailnet."""
    return Settings(profiles=(Profile("default", make_client, exposure),), **settings)
