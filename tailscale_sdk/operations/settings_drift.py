"""Compare a tailnet with what a file declares it to be, and propose the settings that differ."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

from attrs import frozen

from tailscale_sdk._generated.endpoints import ENDPOINTS
from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations.fleet import Fleet, Proposal, Step

PARTS: Final = ("settings", "dns", "contacts")
"""Parts of a snapshot that may be declared."""

Status = Literal["same", "differs", "unknown"]


@frozen
class Difference:
    """Hold one declared value.

    Attributes:
        path: such as ``settings.devicesApprovalOn``.
        declared: what the file says.
        found: what the tailnet says; None also where it does not say.
        status: same, differs, or unknown.
        reason: why it is unknown.
    """

    path: str
    declared: Any
    found: Any
    status: Status
    reason: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "path": self.path,
            "declared": self.declared,
            "found": self.found,
            "status": self.status,
            **({"reason": self.reason} if self.reason else {}),
        }


@frozen
class SettingsDrift:
    """Hold how a tailnet differs from what is declared.

    Attributes:
        values: every declared value, in the order of the file.
    """

    values: tuple[Difference, ...]

    @property
    def differing(self) -> tuple[Difference, ...]:
        """Return the values that differ."""
        return tuple(each for each in self.values if each.status == "differs")

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "differs": [each.to_dict() for each in self.differing],
            "unknown": [each.to_dict() for each in self.values if each.status == "unknown"],
            "same": sum(each.status == "same" for each in self.values),
        }


def read_declared(path: str | Path) -> dict[str, Any]:
    """Read a file that declares parts of a snapshot.

    Args:
        path: JSON, ``{"settings": {...}, "dns": {...}, "contacts": {...}}``.

    Raises:
        ConfigurationError: it cannot be read, or names what does not exist; the text names the nearest.
    """
    try:
        content = json.loads(Path(path).read_bytes())
    except OSError as problem:
        raise ConfigurationError(f"{path}: cannot be read ({problem.strerror})") from None
    except (ValueError, RecursionError):
        raise ConfigurationError(f"{path}: is not JSON") from None
    try:
        return check_declared(content)
    except ConfigurationError as problem:
        raise ConfigurationError(f"{path}: {problem}") from None


def check_declared(content: Any) -> dict[str, Any]:
    """Check declared parts.

    Args:
        content: as read from the file.

    Raises:
        ConfigurationError: it names what does not exist; the text names the nearest.
    """
    if not isinstance(content, dict) or not content:
        raise ConfigurationError(f"an object with {', '.join(PARTS)} is wanted")
    for part, values in content.items():
        _check_name(part, PARTS)
        if not isinstance(values, dict):
            raise ConfigurationError(f"{part}: must be an object")
        if part == "settings":
            for name in values:
                _check_name(name, SETTING_ARGUMENTS, "settings.")
    return content


SETTING_ARGUMENTS: Final[Mapping[str, str]] = {
    argument.api_name: name
    for name, argument in ENDPOINTS["updateTailnetSettings"].arguments.items()
    if argument.place == "body"
}


def _check_name(name: str, known: Mapping[str, str] | tuple[str, ...], prefix: str = "") -> None:
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
        raise ConfigurationError(f"there is no {prefix}{name}; did you mean {prefix}{near[0]}?")


def settings_drift(fleet: Fleet, declared: Mapping[str, Any]) -> SettingsDrift:
    """Compare every declared value with the tailnet.

    Args:
        fleet: whose snapshot is looked at.
        declared: as ``read_declared`` returns it.
    """
    return SettingsDrift(tuple(_compared(fleet, check_declared(dict(declared)))))


def _compared(fleet: Fleet, declared: Mapping[str, Any]) -> Iterator[Difference]:
    for part, values in declared.items():
        found = fleet.snapshot.content.get(part)
        if not isinstance(found, Mapping):
            reason = fleet.coverage.get(part, f"{part} were not read")
            yield from (
                Difference(f"{part}.{name}", value, None, "unknown", reason) for name, value in values.items()
            )
            continue
        for name, value in values.items():
            yield _difference(f"{part}.{name}", value, found.get(name))


def _difference(path: str, declared: Any, found: Any) -> Difference:
    if found is None and declared is not None:
        return Difference(path, declared, None, "unknown", "the API does not say")
    if isinstance(declared, Mapping) and isinstance(found, Mapping):
        same = all(found.get(name) == value for name, value in declared.items())
    else:
        same = declared == found
    return Difference(path, declared, found, "same" if same else "differs")


def propose_settings(fleet: Fleet, declared: Mapping[str, Any], *, reason: str | None = None) -> Proposal:
    """Propose the settings that differ from what is declared, in one call; other parts have actions of their own.

    Args:
        fleet: whose snapshot is looked at.
        declared: as ``read_declared`` returns it.
        reason: why.
    """
    drift = settings_drift(fleet, declared)
    wanted = {
        each.path.removeprefix("settings."): each
        for each in drift.values
        if each.path.startswith("settings.")
    }
    due = {name: each for name, each in wanted.items() if each.status != "same"}
    notes = tuple(
        f"{each.path} differs too, and is changed by its own action"
        for each in drift.differing
        if not each.path.startswith("settings.")
    )
    if not due:
        return Proposal((), None, notes=notes, reason=reason)
    arguments = {SETTING_ARGUMENTS[name]: each.declared for name, each in due.items()}
    risks = tuple(
        f"{each.path}: {json.dumps(each.found)} -> {json.dumps(each.declared)}" for each in due.values()
    )
    return Proposal((Step("updateTailnetSettings", arguments, risks=risks),), None, (), notes, reason)
