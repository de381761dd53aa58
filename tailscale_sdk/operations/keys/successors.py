"""What takes the place of a credential, and which keys are left over from a rotation that broke off; no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from attrs import frozen

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations.keys.inventory import Key

# A mark is believed behind a generation, or where it has a digit: eight letters alone may be somebody's word.
_GENERATION: Final = re.compile(
    r"(.*?)(?: g(\d{1,6})(?: [a-z2-7]{8})?| (?=[a-z2-7]*[2-7])[a-z2-7]{8})?", re.DOTALL
)
_UNUSUAL: Final = re.compile(r"[^A-Za-z0-9 -]+")
# Room for the generation and for the mark by which an unclear creation is found again.
_NAME_CHARACTERS: Final = 30
_API_NAMES: Final[Mapping[str, str]] = {"custom_claim_rules": "customClaimRules"}


def successor_of(key: Key) -> dict[str, Any]:
    """Return the arguments that make the successor of a credential: it may do the same, for as long.

    Args:
        key: as it was read.

    Raises:
        ConfigurationError: the API cannot make one of its kind, or did not tell what it may do.
    """
    if key.kind == "api":
        raise ConfigurationError(
            f"{key.id} is an API access token, which the API cannot make: create one in the admin console "
            "(Settings, Keys), or use an OAuth client"
        )
    arguments: dict[str, Any] = {"key_type": key.kind, "description": next_description(key.description)}
    if key.kind == "auth":
        if not key.create:
            raise _not_told(key)
        return arguments | {
            "capabilities": key.fields["capabilities"],
            "expiry_seconds": key.lifetime_seconds,
        }
    if key.kind not in {"client", "federated"}:
        raise ConfigurationError(f"{key.id} is of a kind that is not known here: {key.kind}")
    if not key.scopes:
        raise _not_told(key)
    return arguments | _credential_arguments(key)


def _not_told(key: Key) -> ConfigurationError:
    return ConfigurationError(
        f"{key.id} is revoked or expired: the API no longer tells what it could do. Create a new one"
    )


def _credential_arguments(key: Key) -> dict[str, Any]:
    names = ("scopes", "tags", "issuer", "subject", "audience", "custom_claim_rules")
    found = {name: key.fields.get(_API_NAMES.get(name, name)) for name in names}
    # An audience the service made names the identity it was made for; the successor gets one of its own.
    if key.id in str(found["audience"] or ""):
        del found["audience"]
    return {name: value for name, value in found.items() if value}


def next_description(description: str) -> str:
    """Return what the successor is called: the same name with the next generation behind it.

    Args:
        description: of the credential that is replaced.
    """
    match = _GENERATION.fullmatch(_UNUSUAL.sub("-", description))
    name, generation = (match[1], int(match[2] or 1)) if match is not None else (description, 1)
    return f"{name.strip()[:_NAME_CHARACTERS].strip() or 'key'} g{generation + 1}"


def file_part(text: str) -> str:
    """Return a text as a part of a file's name."""
    return _UNUSUAL.sub("-", text)


@frozen
class Leftovers:
    """Hold what may be left over from a creation whose answer was lost.

    Attributes:
        certain: ids of keys with its mark.
        likely: ids of keys that are called the same; they may be somebody else's.
    """

    certain: tuple[str, ...] = ()
    likely: tuple[str, ...] = ()


def leftovers_among(
    keys: Iterable[Key], *, old: str, description: str, marks: Iterable[str], now: datetime
) -> Leftovers:
    """Find the keys that a rotation made and whose secret nobody has.

    Args:
        keys: every key of the tailnet, as told.
        old: id of the credential that is replaced.
        description: of the successor, without its mark.
        marks: of its creation, as far as they are known.
        now: moment of asking, with a zone.
    """
    known = frozenset(marks)
    called = re.compile(rf"{re.escape(description)}(?: [a-z2-7]{{8}})?")
    valid = [key for key in keys if key.id and key.id != old and key.status(now) in {"valid", "unknown"}]
    certain = tuple(key.id for key in valid if known & set(key.description.split()))
    likely = tuple(key.id for key in valid if key.id not in certain and called.fullmatch(key.description))
    return Leftovers(certain, likely)
