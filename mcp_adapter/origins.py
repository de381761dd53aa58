"""Which Host and Origin headers are served: an exact list, before anything else looks at a request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

from attrs import frozen

from mcp_adapter.answers import header_values, refuse

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
_PATTERN_CHARACTERS = set("*?")


class AddressError(ValueError):
    """Say why a host or origin cannot be allowed."""


def host_values(names: Iterable[str], port: int, *, public: bool) -> frozenset[str]:
    """Return the exact Host headers that stand for names.

    Args:
        names: host names and addresses, with a port only where it is another than the served one.
        port: that is listened on.
        public: a name without a port is also served at the port of its scheme, by TLS here or in a proxy.

    Raises:
        AddressError: a name has a wildcard, a scheme or a path.
    """
    found: set[str] = set()
    for given in names:
        name = _checked_host(given)
        if _has_port(name):
            found.add(name)
            continue
        found.add(f"{name}:{port}")
        if public:
            found |= {name, f"{name}:443"}
        elif port == 80:
            found.add(name)
    return frozenset(found)


def _checked_host(given: str) -> str:
    name = given.strip().lower()
    if _PATTERN_CHARACTERS & set(name):
        raise AddressError("wildcards are not accepted: name each host")
    if name.count(":") > 1 and not name.startswith("["):
        name = f"[{name}]"
    try:
        parts = urlsplit(f"//{name}")
        wrong = parts.netloc != name or not parts.hostname or parts.username is not None
        _ = parts.port
    except ValueError:
        wrong = True
    if wrong or any(character.isspace() or character == "," for character in name):
        raise AddressError(
            "a host is a name or an address, with a port where needed, such as mcp.example.com"
        )
    return name


def _has_port(name: str) -> bool:
    return urlsplit(f"//{name}").port is not None


def bare_name(value: str) -> str:
    """Return a host without its port and brackets."""
    return urlsplit(f"//{value}").hostname or value


def origin_values(origins: Iterable[str]) -> frozenset[str]:
    """Return the exact Origin headers that are served.

    Raises:
        AddressError: one has a wildcard, is ``null``, or is more than scheme, host and port.
    """
    found = set()
    for given in origins:
        origin = given.strip().lower()
        if _PATTERN_CHARACTERS & set(origin):
            raise AddressError("wildcards are not accepted: name each origin")
        try:
            parts = urlsplit(origin)
            host = _checked_host(parts.netloc)
        except ValueError:
            host = ""
        if parts.scheme not in {"http", "https"} or not host or origin != f"{parts.scheme}://{host}":
            raise AddressError("an origin is scheme, host and port, such as https://app.example.com")
        found.add(origin)
    return frozenset(found)


@frozen
class Addresses:
    """Hold what may stand in the Host and Origin headers.

    Attributes:
        hosts: exact Host headers, in lower case.
        origins: exact Origin headers, in lower case; a request without the header is no browser's.
    """

    hosts: frozenset[str]
    origins: frozenset[str]

    @classmethod
    def of(
        cls,
        *,
        port: int,
        names: Sequence[str] = (),
        origins: Sequence[str] = (),
        loopback: Sequence[str] = (),
        scheme: str = "http",
        public: bool = False,
    ) -> Addresses:
        """Put together what is served.

        Args:
            port: that is listened on.
            names: allowed hosts.
            origins: allowed origins.
            loopback: names of this machine that are served as well, as are pages of this very port.
            scheme: of the loopback origins.
            public: TLS is spoken here or in a proxy.

        Raises:
            AddressError: a name or origin is no exact one.
        """
        own = host_values(loopback, port, public=False)
        return cls(
            hosts=own | host_values(names, port, public=public),
            origins=origin_values(origins) | {f"{scheme}://{host}" for host in own},
        )


@frozen
class AddressGuard:
    """Refuse what comes under another name, or from another page, than those that are served."""

    app: Any
    addresses: Addresses

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "http":
            hosts = [value.decode("latin-1").lower() for value in header_values(scope, b"host")]
            origins = [value.decode("latin-1").lower() for value in header_values(scope, b"origin")]
            if len(hosts) != 1 or hosts[0] not in self.addresses.hosts:
                await refuse(send, 421, "this server is not known under this Host")
                return
            if len(origins) > 1 or not self.addresses.origins.issuperset(origins):
                await refuse(send, 403, "this Origin is not allowed")
                return
        elif scope["type"] != "lifespan":
            return
        await self.app(scope, receive, send)
