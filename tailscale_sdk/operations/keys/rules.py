"""Which credentials do not keep to the rules of whoever runs the tailnet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from attrs import field, frozen

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations.keys.inventory import RISKS, Key, KeyRow


@frozen
class KeyRules:
    """Hold what credentials must keep to.

    Attributes:
        max_age_days: oldest they may be.
        max_lifetime_days: longest an auth key may have been made for.
        required_tags: one of these an auth key must give.
        forbidden: risks that must not be, as ``KeyRow.risks`` names them.
    """

    max_age_days: float | None = None
    max_lifetime_days: float | None = None
    required_tags: frozenset[str] = field(default=frozenset(), converter=frozenset)
    forbidden: frozenset[str] = field(default=frozenset(), converter=frozenset)

    @forbidden.validator
    def _check_forbidden(self, attribute: object, value: frozenset[str]) -> None:
        unknown = sorted(value - RISKS)
        if unknown:
            raise ConfigurationError(
                f"no risk is called {', '.join(unknown)}: there are {', '.join(sorted(RISKS))}"
            )


@frozen
class KeyFinding:
    """Hold one credential that does not keep to a rule, or of which that is not known.

    Attributes:
        key: the credential.
        rule: name of the rule, or of the risk; ``unknown`` where the API tells nothing to judge by.
        message: what is wrong, in one sentence.
    """

    key: Key
    rule: str
    message: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "id": self.key.id,
            "description": self.key.description,
            "rule": self.rule,
            "message": self.message,
        }


def check_keys(rows: Sequence[KeyRow], rules: KeyRules, *, now: datetime) -> tuple[KeyFinding, ...]:
    """Return which valid credentials do not keep to the rules, and which cannot be judged.

    Args:
        rows: of ``key_inventory``.
        rules: what they must keep to.
        now: moment of asking, with a zone.
    """
    return tuple(finding for row in rows for finding in _check(row, rules, now))


def _check(row: KeyRow, rules: KeyRules, now: datetime) -> Iterator[KeyFinding]:
    key = row.key
    if row.status == "unknown" and rules != KeyRules():
        yield KeyFinding(key, "unknown", "the API tells nothing but its id: it cannot be judged")
    if row.status != "valid":
        return
    yield from _dates(key, rules, now)
    if rules.required_tags and key.kind == "auth" and not rules.required_tags & set(key.tags):
        yield KeyFinding(key, "required_tags", f"it gives none of {', '.join(sorted(rules.required_tags))}")
    for risk in row.risks:
        if risk in rules.forbidden:
            yield KeyFinding(key, risk, f"it is {risk}, which must not be")


def _dates(key: Key, rules: KeyRules, now: datetime) -> Iterator[KeyFinding]:
    age = None if key.created is None else (now - key.created) / timedelta(days=1)
    if rules.max_age_days is not None and age is not None and age > rules.max_age_days:
        yield KeyFinding(key, "max_age_days", f"it is {age:.0f} days old: {rules.max_age_days:g} are allowed")
    lifetime = None if key.told_lifetime_seconds is None else key.told_lifetime_seconds / 86400
    longest = rules.max_lifetime_days
    if longest is not None and key.kind == "auth" and lifetime is not None and lifetime > longest:
        message = f"it was made for {lifetime:.0f} days: {longest:g} are allowed"
        yield KeyFinding(key, "max_lifetime_days", message)
