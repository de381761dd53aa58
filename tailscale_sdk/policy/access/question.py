"""Which traffic a question is about."""

from __future__ import annotations

import re
from typing import Final

from attrs import frozen

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.policy.compile.traffic import TrafficAtoms
from tailscale_sdk.policy.language import PROTOCOLS

_HIGHEST: Final = 65535
_ICMP: Final = 1
_TCP: Final = 6
_SERVICES: Final = {"ssh": 22, "http": 80, "https": 443, "rdp": 3389, "postgres": 5432, "dns": 53}
_ENDING: Final = re.compile(r"(?P<name>.+):(?P<port>[0-9]+|\*|[a-z]+)")
_BRACKETED: Final = re.compile(r"\[(?P<name>[0-9a-fA-F:.]+)\](?::(?P<port>[0-9]+|\*|[a-z]+))?")


@frozen
class Question:
    """Hold a protocol and a port.

    Attributes:
        protocol: its number; None for any.
        port: None for any.
    """

    protocol: int | None = None
    port: int | None = None

    @property
    def text(self) -> str:
        """Write it for people."""
        if self.protocol is None:
            return "on any port"
        name = next(
            (name for name, number in PROTOCOLS.items() if number == self.protocol), str(self.protocol)
        )
        return name if self.port is None else f"{name} {self.port}"

    def bits(self, atoms: TrafficAtoms) -> int:
        """Return the pieces of traffic that are meant."""
        if self.protocol is None:
            return (1 << sum(map(len, atoms.starts.values()))) - 1
        if self.port is not None:
            return atoms.at(self.protocol, self.port)
        starts = atoms.starts.get(self.protocol, ())
        return ((1 << len(starts)) - 1) << atoms.offsets.get(self.protocol, 0)

    def covers(self, protocol: int, port: int) -> bool:
        """Tell whether a port is meant."""
        return self.protocol in {None, protocol} and self.port in {None, port}


def read_question(port: str | int | None, protocol: str | None = None) -> Question:
    """Read a port and a protocol.

    Args:
        port: a number, ``*`` or None for any, ``ssh`` and the like, or ``icmp``.
        protocol: a name or a number; TCP where only a port is given.

    Raises:
        ConfigurationError: one of them cannot be read.
    """
    text = "" if port is None else str(port).strip().lower()
    number = _protocol(protocol)
    if text in {"", "*"}:
        return Question(number)
    if text == "icmp":
        return Question(_ICMP, 0)
    wanted = _SERVICES.get(text) if not text.isdecimal() else int(text)
    if wanted is None or not 0 <= wanted <= _HIGHEST:
        raise ConfigurationError(f"port {port!r}: give a number from 0 to {_HIGHEST}, icmp, or * for any")
    return Question(_TCP if number is None else number, wanted)


def _protocol(text: str | None) -> int | None:
    if text is None or not str(text).strip():
        return None
    name = str(text).strip().lower()
    number = int(name) if name.isascii() and name.isdecimal() else PROTOCOLS.get(name)
    if number is None or number > 255:
        raise ConfigurationError(f"protocol {text!r}: give tcp, udp, icmp or a number")
    return number


def part_destination(text: str) -> tuple[str, str | None]:
    """Part ``DST:PORT`` into both; an IPv6 address with a port stands in brackets.

    Args:
        text: such as ``web:443``, ``tag:db:5432``, ``[fd7a::1]:22`` or a name without port.
    """
    bracketed = _BRACKETED.fullmatch(text)
    if bracketed:
        return bracketed["name"], bracketed["port"]
    ending = _ENDING.fullmatch(text)
    if ending is None or (
        text.count(":") == 1 and ending["name"] in {"tag", "group", "autogroup", "svc", "host"}
    ):
        return text, None
    if text.count(":") > 1 and re.fullmatch(r"[0-9a-fA-F:.]+", text):
        return text, None
    if not (ending["port"].isdecimal() or ending["port"] in {"*", "icmp", *_SERVICES}):
        return text, None
    return ending["name"], ending["port"]
