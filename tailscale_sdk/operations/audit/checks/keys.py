"""Checks of credentials: what they may do, for how long, and whose they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Final

from tailscale_sdk.operations.audit.model import Audited, Check, Outcome, Subject, call, fact
from tailscale_sdk.operations.fleet import Step
from tailscale_sdk.operations.keys.inventory import Key, KeyRow

# These give their bearer further credentials or roles, so that no other limit holds.
_BROAD: Final = frozenset({"all", "api_access_tokens", "federated_keys", "oauth_keys", "users"})
_MANY: Final = 4
_DAY: Final = timedelta(days=1)
# A key for 30 days is made a moment before its last day is counted.
_SLACK_SECONDS: Final = 3600
_MINTS: Final = frozenset({"all", "auth_keys", "devices", "devices:core"})


def _subject(key: Key) -> Subject:
    return Subject("key", key.id, key.description)


def _revoke(key: Key, *risks: str) -> tuple[Step, ...]:
    return (call("deleteKey", *risks, key_id=key.id),)


def _fail(key: Key, message: str, *, aspect: str = "", fix: tuple[Step, ...] = ()) -> Outcome:
    told = {
        name: key.fields[name]
        for name in (
            "keyType",
            "capabilities",
            "scopes",
            "tags",
            "created",
            "expires",
            "subject",
            "issuer",
            "customClaimRules",
        )
        if name in key.fields
    }
    return Outcome(
        _subject(key),
        "fail",
        message,
        aspect=aspect,
        evidence=(fact("listTailnetKeys", **told),),
        fix=fix,
    )


def _each(
    *kinds: str, judge: Callable[[KeyRow], str | None], risk: str | None = None
) -> Callable[[Audited], Iterator[Outcome]]:
    """Return a check of every working credential of some kinds, which fails with a message or passes with None."""

    def evaluate(audited: Audited) -> Iterator[Outcome]:
        for row in audited.keys:
            key = row.key
            if not key.is_told:
                yield Outcome(_subject(key), "unknown", "the API tells nothing of it but its id")
            elif key.kind not in kinds or row.status != "valid":
                yield Outcome(_subject(key), "not_applicable")
            else:
                message = judge(row)
                fix = () if risk is None else _revoke(key, risk)
                yield Outcome(_subject(key), "pass") if message is None else _fail(key, message, fix=fix)

    return evaluate


def _risky(risk: str, message: str) -> Callable[[KeyRow], str | None]:
    """Return a judge that says a message where the inventory names a risk."""
    return lambda row: message if risk in row.risks else None


def _lifetimes(audited: Audited) -> Iterator[Outcome]:
    for row in audited.keys:
        key = row.key
        if not key.is_told:
            yield Outcome(_subject(key), "unknown", "the API tells nothing of it but its id")
        elif key.kind not in {"auth", "api"} or row.status != "valid":
            yield Outcome(_subject(key), "not_applicable")
        else:
            yield from _dates(key, audited)


def _dates(key: Key, audited: Audited) -> Iterator[Outcome]:
    found = [*_lifetime(key, audited)]
    left = None if key.expires is None else key.expires - audited.now
    if left is not None and left <= timedelta(days=audited.options.warn_days) and not _is_for_today(key):
        found.append(_fail(key, f"it ends in {left / _DAY:.0f} days", aspect="ends"))
    yield from found or [Outcome(_subject(key), "pass")]


def _lifetime(key: Key, audited: Audited) -> Iterator[Outcome]:
    most = audited.options.auth_key_days if key.kind == "auth" else audited.options.api_key_days
    lifetime = key.told_lifetime_seconds
    if lifetime is None and key.expires is None:
        yield _fail(key, "it never ends", aspect="lifetime")
    elif lifetime is None:
        message = "the API does not say when it was made"
        yield Outcome(_subject(key), "unknown", message, aspect="lifetime")
    elif lifetime > most * 86400 + _SLACK_SECONDS:
        days = f"it was made for {lifetime / 86400:.0f} days: {most:g} are allowed"
        yield _fail(key, days, aspect="lifetime")


def _is_for_today(key: Key) -> bool:
    """Tell whether a key was made for one use within a day: that it ends soon is what it is for."""
    lifetime = key.told_lifetime_seconds
    return key.create.get("reusable") is False and lifetime is not None and lifetime <= 86400


def _full_power(row: KeyRow) -> str | None:
    return f"it may do whatever {row.owner or 'the one who made it'} may"


def _scopes(row: KeyRow) -> str | None:
    key = row.key
    broad = sorted(_BROAD & set(key.scopes))
    if broad:
        return f"it may write {', '.join(broad)}"
    writes = sorted(scope for scope in key.scopes if not scope.endswith(":read"))
    return f"it may write many things: {', '.join(writes)}" if len(writes) >= _MANY else None


def _tagless(row: KeyRow) -> str | None:
    key = row.key
    mints = sorted(_MINTS & set(key.scopes))
    if mints and not key.tags:
        return f"it may add devices with any tag ({', '.join(mints)})"
    return None


def _owners(audited: Audited) -> Iterator[Outcome]:
    for row in audited.keys:
        if row.status == "unknown":
            yield Outcome(_subject(row.key), "unknown", "the API tells nothing of it but its id")
        else:
            problem = _leftover(row, audited)
            yield (
                Outcome(_subject(row.key), "pass")
                if problem is None
                else _fail(row.key, problem, fix=_removal(row))
            )


def _removal(row: KeyRow) -> tuple[Step, ...]:
    if row.status != "valid":
        return _revoke(row.key)
    return _revoke(row.key, f"whatever uses {row.key.description or row.key.id} is refused from then on")


def _leftover(row: KeyRow, audited: Audited) -> str | None:
    if row.status != "valid":
        return f"it is {row.status}, and still listed"
    if "owner-gone" in row.risks:
        return "whoever it belongs to is no user any more"
    if "owner-suspended" in row.risks:
        return "whoever it belongs to is suspended"
    if row.age_days is not None and row.age_days > audited.options.key_age_days:
        return f"it is {row.age_days:.0f} days old"
    return None


_check = partial(Check, inputs=("keys",), controls=("CC6.1", "CC6.3"))
CHECKS: Final = (
    _check(
        "KEY-01",
        "high",
        "Auth keys that can be used again",
        "use one-off keys, or ephemeral ones",
        evaluate=_each(
            "auth",
            judge=_risky("reusable", "whoever has it can add any number of devices that stay"),
            risk="it can add no more devices; those it added stay",
        ),
    ),
    _check(
        "KEY-02",
        "high",
        "Auth keys that approve beforehand without tags",
        "add tags, or let somebody approve the devices",
        evaluate=_each(
            "auth",
            judge=_risky(
                "preauthorized-untagged", "its devices are approved beforehand, and belong to a person"
            ),
        ),
    ),
    _check(
        "KEY-03",
        "medium",
        "Keys that last too long, or end soon",
        "rotate it, and make the next one shorter",
        evaluate=_lifetimes,
    ),
    _check(
        "KEY-04",
        "high",
        "API access tokens of a person",
        "use an OAuth client or a federated identity with the scopes that are needed",
        evaluate=_each("api", judge=_full_power),
    ),
    _check(
        "KEY-05",
        "high",
        "OAuth clients that may write too much",
        "take away the scopes that are not needed",
        evaluate=_each("client", "federated", judge=_scopes),
    ),
    _check(
        "KEY-06",
        "high",
        "Credentials that add devices with any tag",
        "say which tags it may give",
        evaluate=_each("client", "federated", judge=_tagless),
    ),
    _check(
        "KEY-07",
        "medium",
        "Credentials that are left over",
        "delete it",
        inputs=("keys", "users"),
        evaluate=_owners,
    ),
    _check(
        "KEY-08",
        "high",
        "Federated identities that anybody can match",
        "name issuer, subject and claims in full",
        evaluate=_each(
            "federated",
            judge=_risky("wildcard-claim", "it takes anything for an issuer, a subject or a claim"),
        ),
    ),
)
"""In the order of their ids."""
