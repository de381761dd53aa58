"""Keep the shape of a real tailnet's answers and none of its identity: what is not known to be harmless is replaced."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from attrs import define, field

# Fields whose text says nothing about anybody.
HARMLESS_FIELDS = {
    "action",
    "approvalLevel",
    "clientVersion",
    "codeName",
    "compressionFormat",
    "destinationType",
    "keyType",
    "logType",
    "origin",
    "os",
    "property",
    "provider",
    "providerType",
    "role",
    "scopes",
    "status",
    "subscriptions",
    "type",
    "usersRoleAllowedToJoinExternalTailnets",
    "version",
}
_DATE = re.compile(r"(\d{4}-\d{2}-\d{2}T[0-9:.]+(Z|[+-]\d{2}:\d{2}))?")
_ADDRESS_RANGES = {
    4: (ipaddress.ip_address("100.64.0.0"), 22),
    6: (ipaddress.ip_address("fd7a:115c:a1e0::"), 64),
}


@define
class Pseudonyms:
    """Replace each distinct value by a stable invented one, so that references between answers survive."""

    known: dict[tuple[str, str], str] = field(factory=dict)

    def of(self, kind: str, value: str, pattern: str) -> str:
        """Return the stand-in of a value; pattern holds one ``{}`` for its number."""
        numbers = sum(1 for other, _ in self.known if other == kind)
        return self.known.setdefault((kind, value), pattern.format(numbers + 1))

    def replace_known(self, text: str) -> str:
        """Replace every value that has a stand-in already, wherever it stands whole in a text."""
        known = {value: stand_in for (_, value), stand_in in self.known.items() if len(value) > 1}
        if not known:
            return text
        longest_first = sorted(known, key=len, reverse=True)
        whole = rf"(?<![A-Za-z0-9])(?:{'|'.join(map(re.escape, longest_first))})(?![A-Za-z0-9])"
        return re.sub(whole, lambda found: known[found[0]], text)

    def anonymise(self, value: Any, name: str = "") -> Any:
        """Replace every text of a JSON tree that is not known to be harmless."""
        if isinstance(value, dict):
            return {self._key(key, name): self.anonymise(item, key) for key, item in value.items()}
        if isinstance(value, list):
            return [self.anonymise(item, name) for item in value]
        return self._text(name, value) if isinstance(value, str) else value

    def _key(self, key: str, inside: str) -> str:
        plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", key) is not None
        return (
            key
            if plain and inside not in {"latency", "splitDNS", "attributes", "expiries"}
            else self._text("key", key)
        )

    def _text(self, name: str, value: str) -> str:
        if name in HARMLESS_FIELDS or _DATE.fullmatch(value):
            return value
        if "@" in value:
            return self.of("mail", value, "user{}@example.com")
        if value.startswith("tag:"):
            return self.of("tag", value, "tag:t{}")
        if (address := _address(value)) is not None:
            return self._address(address)
        if re.fullmatch(r"[A-Za-z0-9]+CNTRL", value):
            return self.of("id", value, "nDEMO{}CNTRL")
        if value.isdigit():
            return self.of("number", value, "90071992547409{:05d}")
        if "." in value and re.fullmatch(r"[A-Za-z0-9.-]+", value):
            return self.of("host", value, "host{}.example.com")
        return self.of("text", value, "text {}")

    def _address(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
        start, _ = _ADDRESS_RANGES[address.version]
        number = int(self.of(f"address{address.version}", str(address), "{}"))
        return str(start + number)


def _address(value: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(value)
    except ValueError:
        return None
