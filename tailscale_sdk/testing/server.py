"""FakeTailnet: an embedded tailnet to start, use and ask what it did."""

from __future__ import annotations

import asyncio
import pkgutil
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol, Self

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.testing import DEFAULT_DEVICES, DEFAULT_SEED, handlers
from tailscale_sdk.testing.clock import VirtualClock
from tailscale_sdk.testing.dispatch import Dispatcher
from tailscale_sdk.testing.faults import Faults, FaultSource
from tailscale_sdk.testing.faults.server import FaultServer
from tailscale_sdk.testing.ledger import Ledger
from tailscale_sdk.testing.loopback import HOST, LoopbackServer
from tailscale_sdk.testing.passing import advance
from tailscale_sdk.testing.people import build_user
from tailscale_sdk.testing.seed import add_api_key, owner_of, seed_tailnet
from tailscale_sdk.testing.snapshot_file import dump_state, load_state, read_snapshot
from tailscale_sdk.testing.state import Tailnet
from tailscale_sdk.testing.tokens import TOKEN_SECONDS, issue


class Exported(Protocol):
    """Be a value that turns into a snapshot's JSON, such as a ``TailnetSnapshot``."""

    def to_dict(self) -> Mapping[str, Any]:
        """Return the snapshot."""
        ...


SnapshotSource = str | Path | Mapping[str, Any] | Exported


def build_snapshot(source: SnapshotSource) -> Mapping[str, Any]:
    """Return the content of a snapshot that is given as a file, as JSON or as a value."""
    if isinstance(source, str | Path):
        return read_snapshot(source)
    return source if isinstance(source, Mapping) else source.to_dict()


def load_handlers() -> None:
    """Import every module of ``handlers``: each registers the operations it answers."""
    for module in pkgutil.iter_modules(handlers.__path__):
        import_module(f"{handlers.__name__}.{module.name}")


class FakeTailnet:
    """Serve a tailnet on loopback, for tests and demonstrations.

    It is a context manager, sync and async; the server runs in a thread of its own.
    Time stands still until ``advance`` is called.

    Args:
        devices: how many devices the seeded fleet has; ignored with a snapshot.
        seed: decides every name, id, key, address and time; the same seed gives the same bytes.
        snapshot: snapshot file, its content or a ``TailnetSnapshot``, to serve instead of a seeded fleet.
        plain: no resend limits and nothing that breaks conformance with the API description.
        port: port on 127.0.0.1, 0 for any free one.
        faults: fault file, its content, a list of rules (an empty one, to add to) or ``Faults``; see
            ``tailscale_sdk.testing.faults``.

    Raises:
        ConfigurationError: for a snapshot or faults with a bad value (its path is named), a bad number or
            a taken port.
    """

    def __init__(
        self,
        *,
        devices: int = DEFAULT_DEVICES,
        seed: int = DEFAULT_SEED,
        snapshot: SnapshotSource | None = None,
        plain: bool = False,
        port: int = 0,
        faults: FaultSource | Faults | None = None,
    ) -> None:
        if devices < 0:
            raise ConfigurationError("devices must be at least 0")
        self._faults = Faults(faults) if faults is not None and not isinstance(faults, Faults) else faults
        load_handlers()
        self.tailnet = Tailnet(seed=seed, plain=plain)
        self.api_key: str = self._fill(devices, snapshot)
        self._dispatcher = Dispatcher(self.tailnet)
        self._port = port
        self._server: LoopbackServer | FaultServer | None = None

    def _fill(self, devices: int, snapshot: SnapshotSource | None) -> str:
        if snapshot is None:
            return seed_tailnet(self.tailnet, devices)
        return load_state(self.tailnet, build_snapshot(snapshot))

    @property
    def base_url(self) -> str:
        """Origin to give to a client, such as ``http://127.0.0.1:40123``; only while it is running."""
        return f"http://{HOST}:{self._running().port}"

    @property
    def direct_url(self) -> str:
        """Origin of the tailnet behind the faults: there nothing goes wrong and nothing is counted."""
        server = self._running()
        port = server.backend.port if isinstance(server, FaultServer) else server.port
        return f"http://{HOST}:{port}"

    def _running(self) -> LoopbackServer | FaultServer:
        if self._server is None:
            raise ConfigurationError(
                "the embedded tailnet is not running: enter it with `with` or call start()"
            )
        return self._server

    @property
    def faults(self) -> Faults:
        """The fault rules and the requests that were seen.

        Raises:
            ConfigurationError: it was made without ``faults``.
        """
        if self._faults is None:
            raise ConfigurationError("this tailnet plays no faults: make it with FakeTailnet(faults=[])")
        return self._faults

    @property
    def clock(self) -> VirtualClock:
        """The virtual clock; move it with ``advance`` so that everything follows."""
        return self.tailnet.clock

    @property
    def ledger(self) -> Ledger:
        """The writes that were applied, in their order."""
        return self.tailnet.ledger

    def start(self) -> Self:
        """Begin to serve; entering the context does this."""
        if self._server is None:
            try:
                server = self._build_server()
            except (OSError, OverflowError) as error:
                raise ConfigurationError(f"port {self._port} cannot be used on {HOST}: {error}") from None
            server.start()
            self._server = server
        return self

    def _build_server(self) -> LoopbackServer | FaultServer:
        if self._faults is None:
            return LoopbackServer(self._dispatcher, self._port)
        return FaultServer(self._faults, self._dispatcher, self._port)

    def close(self) -> None:
        """Stop serving; the state can still be read."""
        server, self._server = self._server, None
        if server is not None:
            server.close()

    def advance(self, seconds: float) -> None:
        """Let virtual time pass: keys, tokens, invites and attributes end, devices come and go.

        Raises:
            ValueError: for a negative or absurd number of seconds.
        """
        with self._dispatcher.lock:
            advance(self.tailnet, seconds)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as a snapshot: a copy, without secrets."""
        with self._dispatcher.lock:
            return dump_state(self.tailnet)

    def add_credential(
        self,
        *,
        scopes: Iterable[str] | None = None,
        kind: Literal["user", "tailnet"] = "user",
        tags: Iterable[str] = (),
        role: str = "owner",
        expires_in: float = TOKEN_SECONDS,
    ) -> str:
        """Make a bearer token to ask with.

        Args:
            scopes: what it may do; None gives all that the role allows, or ``all`` to a token of the tailnet.
            kind: user for a person's access token, tailnet for one as an OAuth client gets it.
            tags: tags a token of the tailnet may hand out.
            role: role of the person; a new person is made for every role but the owner's.
            expires_in: virtual seconds the token lives when it is limited to scopes or belongs to the tailnet.
        """
        with self._dispatcher.lock:
            if kind == "tailnet":
                return self._tailnet_token(scopes, tags, expires_in)
            user = owner_of(self.tailnet) if role == "owner" else self._person(role)
            token = add_api_key(self.tailnet, user, description=f"for tests {len(self.tailnet.keys)}")
            if scopes is None:
                return token
            key_id = next(i for i, secret in self.tailnet.secrets.items() if secret == token)
            return issue(self.tailnet, key_id, list(scopes), [], user_id=user["id"], seconds=expires_in)

    def _person(self, role: str) -> dict[str, Any]:
        number = len(self.tailnet.users)
        return build_user(self.tailnet, f"{role}{number}@example.com", f"Test {role}", role, "active")

    def _tailnet_token(self, scopes: Iterable[str] | None, tags: Iterable[str], expires_in: float) -> str:
        granted = ["all"] if scopes is None else list(scopes)
        client_id, _ = self._add_client(granted, list(tags))
        return issue(self.tailnet, client_id, granted, list(tags), seconds=expires_in)

    def add_oauth_client(
        self, *, scopes: Iterable[str] = ("all",), tags: Iterable[str] = ()
    ) -> tuple[str, str]:
        """Make an OAuth client and return its id and secret, for the token endpoint."""
        with self._dispatcher.lock:
            return self._add_client(list(scopes), list(tags))

    def _add_client(self, scopes: list[str], tags: list[str]) -> tuple[str, str]:
        key_id = self.tailnet.ids.new("k")
        self.tailnet.secrets[key_id] = self.tailnet.ids.secret("client", key_id)
        self.tailnet.keys[key_id] = {
            "id": key_id,
            "keyType": "client",
            "created": self.clock.text(),
            "updated": self.clock.text(),
            "description": f"for tests {len(self.tailnet.keys)}",
            "userId": owner_of(self.tailnet)["id"],
            "scopes": scopes,
            "tags": tags,
        }
        return key_id, self.tailnet.secrets[key_id]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.start)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.close)
