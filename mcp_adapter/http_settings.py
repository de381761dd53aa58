"""What the operator decided for HTTP."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from attrs import field, frozen

from mcp_adapter.flags import WrongUse
from mcp_adapter.limits import DEFAULT_CONCURRENCY, DEFAULT_RATE
from mcp_adapter.oauth import OAuthSettings
from mcp_adapter.origins import LOOPBACK_NAMES, AddressError, Addresses


@frozen(kw_only=True)
class HttpSettings:
    """Hold how HTTP is served.

    Attributes:
        host: name or address that is listened on, as given.
        port: 0 for any free one.
        sockets: family and address of each socket to open.
        names: hosts the operator allows.
        origins: origins the operator allows.
        loopback: names of this machine that are served as well; none when others can connect.
        tokens: static bearer tokens; None with OAuth, or when the state directory's own is to be used.
        oauth: whose tokens are accepted; None with static ones.
        public_url: origin under which clients reach this server; None to take the first that is served.
        certificate: TLS certificate chain and key; None without TLS.
        proxies: peers whose forwarding headers are believed; None when nobody is.
        rate: requests of one caller in a second.
        concurrency: requests of one caller that are worked on at once.
        replicas: servers that share one Tailscale credential.
        plan_store: where replicas share plans; None for the state directory.
        state_keys: what round trips to the client are sealed with, the current one first.
    """

    host: str
    port: int
    sockets: tuple[tuple[socket.AddressFamily, str], ...]
    names: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    loopback: tuple[str, ...] = LOOPBACK_NAMES
    tokens: tuple[str, ...] | None = field(default=None, repr=False)
    oauth: OAuthSettings | None = None
    public_url: str | None = None
    certificate: tuple[Path, Path] | None = None
    proxies: tuple[str, ...] | None = None
    rate: float = DEFAULT_RATE
    concurrency: int = DEFAULT_CONCURRENCY
    replicas: int = 1
    plan_store: str | None = field(default=None, repr=False)
    state_keys: tuple[str, ...] = field(default=(), repr=False)

    @property
    def scheme(self) -> str:
        """Return what is spoken on the socket."""
        return "https" if self.certificate else "http"

    def addresses(self, port: int) -> Addresses:
        """Return the exact Host and Origin headers that are served.

        Args:
            port: that is really listened on.

        Raises:
            WrongUse: a name or origin is no exact one.
        """
        public = self.certificate is not None or self.proxies is not None
        parts: dict[str, Any] = {"port": port, "scheme": self.scheme, "public": public}
        try:
            found = Addresses.of(names=self.names, **parts)
        except AddressError as problem:
            raise WrongUse(f"--allowed-hosts: {problem}") from None
        try:
            origins = Addresses.of(origins=self.origins, loopback=self.loopback, **parts)
        except AddressError as problem:
            raise WrongUse(f"--allowed-origins: {problem}") from None
        return Addresses(found.hosts | origins.hosts, origins.origins)

    def origin(self, port: int) -> str:
        """Return the origin clients are told, for metadata.

        Args:
            port: that is really listened on.
        """
        if self.public_url:
            return self.public_url
        if self.names:
            scheme = "https" if self.proxies is not None else self.scheme
            name = self.names[0]
            direct = self.proxies is None and urlsplit(f"//{name}").port is None
            return f"{scheme}://{name}:{port}" if direct else f"{scheme}://{name}"
        return f"{self.scheme}://{self.loopback[0]}:{port}"
