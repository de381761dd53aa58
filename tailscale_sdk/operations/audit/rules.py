"""What a tailnet says of its own audits: thresholds, severities, waivers and attestations, read from a file."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from attrs import evolve, field, fields_dict, frozen

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations.audit.attestations import Attestation
from tailscale_sdk.operations.audit.catalogue import CHECKS
from tailscale_sdk.operations.audit.checks.manual import QUESTIONS
from tailscale_sdk.operations.audit.options import AuditOptions
from tailscale_sdk.operations.audit.waivers import Waiver
from tailscale_sdk.operations.rule_files import read_rule_file
from tailscale_sdk.policy.findings import SEVERITIES, Severity

T = TypeVar("T")
_SECTIONS: Final = ("options", "severities", "waivers", "attestations")


@frozen
class AuditRules:
    """Hold what a tailnet says of its own audits.

    Attributes:
        options: thresholds and lists.
        severities: by check, in place of the catalogue's.
        waivers: findings that may stand for a while.
        attestations: what people vouch for.
    """

    options: AuditOptions = field(factory=AuditOptions)
    severities: Mapping[str, Severity] = field(factory=dict)
    waivers: tuple[Waiver, ...] = ()
    attestations: tuple[Attestation, ...] = ()

    def joined(self, other: AuditRules) -> AuditRules:
        """Return these with another file's waivers and attestations, and its thresholds where it has any."""
        usual = AuditOptions()
        return AuditRules(
            self.options if other.options == usual else other.options,
            {**self.severities, **other.severities},
            (*self.waivers, *other.waivers),
            (*self.attestations, *other.attestations),
        )


USUAL: Final = AuditRules()


def read_audit_rules(path: str | Path) -> AuditRules:
    """Read a file of rules.

    Args:
        path: TOML, JSON or YAML with ``options``, ``severities``, ``waivers`` and ``attestations``, each where it is
            wanted; a list alone is one of waivers.

    Raises:
        ConfigurationError: it cannot be read, or something in it is wrong; the text names the place.
    """
    content = read_rule_file(path)
    try:
        return audit_rules({"waivers": content} if isinstance(content, list) else content)
    except ConfigurationError as problem:
        raise ConfigurationError(f"{path}: {problem}") from None


def audit_rules(content: Any) -> AuditRules:
    """Read rules from data.

    Args:
        content: as the file has it.

    Raises:
        ConfigurationError: something in it is wrong; the text names the place.
    """
    if not isinstance(content, dict):
        raise ConfigurationError(f"an object with {', '.join(_SECTIONS)} is wanted")
    for name in content:
        _known(name, _SECTIONS, "section")
    return AuditRules(
        _options(_table(content, "options")),
        _severities(_table(content, "severities")),
        _listed(content, "waivers", _waiver),
        _listed(content, "attestations", _attestation),
    )


def _table(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = content.get(name) or {}
    if not isinstance(found, dict):
        raise ConfigurationError(f"{name}: must be a table")
    return found


def _known(name: Any, names: Any, what: str) -> None:
    if name not in names:
        near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.0)
        raise ConfigurationError(f"there is no {what} {name!r}; did you mean {near[0]}?")


def _options(table: Mapping[str, Any]) -> AuditOptions:
    usual = AuditOptions()
    for name, value in table.items():
        _known(name, fields_dict(AuditOptions), "option")
        _check_option(name, value, getattr(usual, name))
    try:
        return evolve(usual, **{name: _tuple(value) for name, value in table.items()})
    except (TypeError, ValueError) as problem:
        raise ConfigurationError(f"options: {problem}") from None


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _check_option(name: str, value: Any, usual: Any) -> None:
    if isinstance(usual, int | float):
        fits, wanted = (
            isinstance(value, int | float) and not isinstance(value, bool) and value >= 0,
            "a number",
        )
    elif isinstance(usual, frozenset | tuple):
        fits = isinstance(value, list) and all(isinstance(item, str) for item in value)
        wanted = "a list of texts"
    elif isinstance(usual, Mapping):
        fits, wanted = isinstance(value, dict), "a table"
    else:
        fits, wanted = isinstance(value, str), "text"
    if not fits:
        raise ConfigurationError(f"options.{name}: must be {wanted}")


def _severities(table: Mapping[str, Any]) -> dict[str, Severity]:
    for name, value in table.items():
        _known(name, CHECKS, "check")
        if value not in SEVERITIES:
            raise ConfigurationError(f"severities.{name}: must be one of {', '.join(SEVERITIES)}")
    return dict(table)


def _listed(content: Mapping[str, Any], name: str, read: Callable[[Mapping[str, Any]], T]) -> tuple[T, ...]:
    found = content.get(name) or []
    if not isinstance(found, list):
        raise ConfigurationError(f"{name}: must be a list")
    return tuple(_element(f"{name}[{index}]", record, read) for index, record in enumerate(found))


def _element(place: str, record: Any, read: Callable[[Mapping[str, Any]], T]) -> T:
    if not isinstance(record, dict):
        raise ConfigurationError(f"{place}: must be a table")
    try:
        return read(record)
    except ConfigurationError as problem:
        raise ConfigurationError(f"{place}: {problem}") from None


def _waiver(record: Mapping[str, Any]) -> Waiver:
    for name in record:
        _known(name, fields_dict(Waiver), "field")
    created, expires = _dates(record)
    needed = {name: _text(record, name) for name in ("check", "resource", "reason", "owner")}
    return Waiver(**needed, created=created, expires=expires, ticket=str(record.get("ticket") or ""))


def _attestation(record: Mapping[str, Any]) -> Attestation:
    for name in record:
        _known(name, fields_dict(Attestation), "field")
    created, expires = _dates(record)
    subject = _text(record, "subject")
    _known(subject, QUESTIONS, "subject")
    links = record.get("evidence") or []
    evidence = (links,) if isinstance(links, str) else tuple(map(str, links))
    note = str(record.get("note") or "")
    return Attestation(subject, _text(record, "owner"), created, expires, evidence, note)


def _text(record: Mapping[str, Any], name: str) -> str:
    value = record.get(name)
    if not isinstance(value, str) or not value.strip():
        raise ConfigurationError(f"{name} is needed, as text")
    return value.strip()


def _dates(record: Mapping[str, Any]) -> tuple[date | None, date]:
    expires = _date(record, "expires")
    if record.get("created") is None:
        return None, expires
    created = _date(record, "created")
    if expires < created:
        raise ConfigurationError("it expires before it was created")
    return created, expires


def _date(record: Mapping[str, Any], name: str) -> date:
    value = record.get(name)
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        raise ConfigurationError(f"{name} is needed, as a date such as 2026-06-30") from None
