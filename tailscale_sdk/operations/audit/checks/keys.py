"""Checks of credentials: what they may do, for how long, and whose they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from tailscale_sdk.operations.audit.model import Audited, Check, Outcome, Subject, call, fact
from tailscale_sdk.operations.keys import Key
from tailscale_sdk.operations.values import mapping_of, text_of

# These give their bearer further credentials or roles, so that no other limit holds.
_BROAD: Final = frozenset({"all", "api_access_tokens", "federated_keys", "oauth_keys", "users"})
_MANY: Final = 4
_MINTS: Final = frozenset({"all", "auth_keys", "devices", "devices:core"})


def _subject(key: Key) -> Subject:
    return Subject("key", key.id, key.description)


def _fail(key: Key, message: str, *, aspect: str = "", delete: bool = False) -> Outcome:
    told = {
        name: key.fields[name]
        for name in ("keyType", "capabilities", "scopes", "tags", "created", "expires", "subject", "issuer")
        if name in key.fields
    }
    return Outcome(
        _subject(key),
        "fail",
        message,
        aspect=aspect,
        evidence=(fact("listTailnetKeys", **told),),
        fix=(call("deleteKey", key_id=key.id),) if delete else (),
    )


def _each(*kinds: str, judge: Callable[[Key, Audited], str | None]) -> Callable[[Audited], Iterator[Outcome]]:
    """Return a check of every working credential of some kinds, which fails with a message or passes with None."""

    def evaluate(audited: Audited) -> Iterator[Outcome]:
        for key in audited.keys:
            if not key.is_told:
                yield Outcome(_subject(key), "unknown", "the API tells nothing of it but its id")
            elif key.kind not in kinds or key.status(audited.now) != "valid":
                yield Outcome(_subject(key), "not_applicable")
            else:
                message = judge(key, audited)
                yield Outcome(_subject(key), "pass") if message is None else _fail(key, message)

    return evaluate


def _reusable(key: Key, audited: Audited) -> str | None:
    if key.create.get("reusable") is True and key.create.get("ephemeral") is not True:
        return "whoever has it can add any number of devices that stay"
    return None


def _preauthorized(key: Key, audited: Audited) -> str | None:
    if key.create.get("preauthorized") is True and not key.tags:
        return "its devices are approved beforehand, and belong to a person"
    return None


def _lifetimes(audited: Audited) -> Iterator[Outcome]:
    for key in audited.keys:
        if not key.is_told:
            yield Outcome(_subject(key), "unknown", "the API tells nothing of it but its id")
        elif key.kind not in {"auth", "api"} or key.status(audited.now) != "valid":
            yield Outcome(_subject(key), "not_applicable")
        else:
            yield from _dates(key, audited)


def _dates(key: Key, audited: Audited) -> Iterator[Outcome]:
    most = audited.options.auth_key_days if key.kind == "auth" else audited.options.api_key_days
    lifetime = key.told_lifetime_seconds
    left = None if key.expires is None else (key.expires - audited.now).total_seconds() / 86400
    outcomes = []
    if lifetime is None:
        outcomes.append(_fail(key, "it never ends", aspect="lifetime"))
    elif lifetime > most * 86400:
        days = f"it was made for {lifetime / 86400:.0f} days: {most:g} are allowed"
        outcomes.append(_fail(key, days, aspect="lifetime"))
    if left is not None and left <= audited.options.warn_days:
        outcomes.append(_fail(key, f"it ends in {left:.0f} days", aspect="ends"))
    yield from outcomes or [Outcome(_subject(key), "pass")]


def _full_power(key: Key, audited: Audited) -> str | None:
    user = audited.users.get(key.user_id)
    whose = text_of(user, "loginName") if user is not None else ""
    return f"it may do whatever {whose or 'the one who made it'} may"


def _scopes(key: Key, audited: Audited) -> str | None:
    broad = sorted(_BROAD & set(key.scopes))
    if broad:
        return f"it may write {', '.join(broad)}"
    writes = sorted(scope for scope in key.scopes if not scope.endswith(":read"))
    return f"it may write many things: {', '.join(writes)}" if len(writes) >= _MANY else None


def _tagless(key: Key, audited: Audited) -> str | None:
    mints = sorted(_MINTS & set(key.scopes))
    if mints and not key.tags:
        return f"it may add devices with any tag ({', '.join(mints)})"
    return None


def _owners(audited: Audited) -> Iterator[Outcome]:
    for key in audited.keys:
        if not key.is_told:
            yield Outcome(_subject(key), "unknown", "the API tells nothing of it but its id")
        else:
            problem = _leftover(key, audited)
            yield Outcome(_subject(key), "pass") if problem is None else _fail(key, problem, delete=True)


def _leftover(key: Key, audited: Audited) -> str | None:
    status = key.status(audited.now)
    user = audited.users.get(key.user_id)
    age = key.age_days(audited.now)
    if status in {"expired", "revoked"}:
        return f"it is {status}, and still listed"
    if key.user_id and user is None:
        return "whoever it belongs to is no user any more"
    if user is not None and text_of(user, "status") == "suspended":
        return "whoever it belongs to is suspended"
    if age is not None and age > audited.options.key_age_days:
        return f"it is {age:.0f} days old"
    return None


def _wildcards(key: Key, audited: Audited) -> str | None:
    claims = mapping_of(key.fields, "customClaimRules")
    patterns = {"issuer": text_of(key.fields, "issuer"), "subject": text_of(key.fields, "subject")}
    patterns.update({name: str(value) for name, value in claims.items()})
    open_ended = sorted(name for name, value in patterns.items() if "*" in value)
    return f"it takes anything for {', '.join(open_ended)}" if open_ended else None


_check = partial(Check, inputs=("keys",), controls=("CC6.1", "CC6.3"))
CHECKS: Final = (
    _check(
        "KEY-01",
        "high",
        "Auth keys that can be used again",
        "use one-off keys, or ephemeral ones",
        evaluate=_each("auth", judge=_reusable),
    ),
    _check(
        "KEY-02",
        "high",
        "Auth keys that approve beforehand without tags",
        "add tags, or let somebody approve the devices",
        evaluate=_each("auth", judge=_preauthorized),
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
        evaluate=_each("federated", judge=_wildcards),
    ),
)
"""In the order of their ids."""
