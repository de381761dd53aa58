"""Every credential of a tailnet: what it may do, how long, whose it is, and what is risky about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final, Literal

from attrs import field, frozen

from tailscale_sdk.operations.fleet import Fleet
from tailscale_sdk.operations.values import mapping_of, moment_of, number_of, text_of, texts_of

Status = Literal["valid", "expired", "revoked", "unknown"]
_TELLING: Final = frozenset(
    {"capabilities", "keyType", "scopes", "tags", "created", "expires", "invalid", "revoked"}
)
_USUAL_SECONDS: Final = 90 * 86400


@frozen
class Key:
    """Hold one credential.

    Attributes:
        fields: everything the API says of it, without its secret.
    """

    fields: Mapping[str, Any] = field(repr=False)

    @cached_property
    def id(self) -> str:
        """Return its id."""
        return text_of(self.fields, "id")

    @cached_property
    def is_told(self) -> bool:
        """Tell whether the API said more than its id."""
        return bool(_TELLING & self.fields.keys())

    @cached_property
    def kind(self) -> str:
        """Return auth, api, client or federated; unknown where the API does not say."""
        return text_of(self.fields, "keyType") or ("auth" if "capabilities" in self.fields else "unknown")

    @cached_property
    def description(self) -> str:
        """Return what it is called."""
        return text_of(self.fields, "description")

    @cached_property
    def user_id(self) -> str:
        """Return whose it is; empty where another credential made it."""
        return text_of(self.fields, "userId")

    @cached_property
    def created(self) -> datetime | None:
        """Return when it was made."""
        return moment_of(self.fields, "created")

    @cached_property
    def expires(self) -> datetime | None:
        """Return when it expires; None where it never does, or the API does not say."""
        return moment_of(self.fields, "expires")

    @cached_property
    def create(self) -> Mapping[str, Any]:
        """Return what devices it makes."""
        return mapping_of(mapping_of(mapping_of(self.fields, "capabilities"), "devices"), "create")

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """Return the tags it gives or carries."""
        return tuple(dict.fromkeys((*texts_of(self.fields, "tags"), *texts_of(self.create, "tags"))))

    @cached_property
    def scopes(self) -> tuple[str, ...]:
        """Return what it may do."""
        return texts_of(self.fields, "scopes")

    @property
    def told_lifetime_seconds(self) -> int | None:
        """Return for how long it was made, None where the API does not say."""
        told = number_of(self.fields, "expirySeconds")
        if told is None and self.created is not None and self.expires is not None:
            return round((self.expires - self.created).total_seconds())
        return told

    @property
    def lifetime_seconds(self) -> int:
        """Return for how long it was made; 90 days where nothing else was said."""
        return self.told_lifetime_seconds or _USUAL_SECONDS

    def age_days(self, now: datetime) -> float | None:
        """Return how old it is, None where the API does not say when it was made."""
        return None if self.created is None else round((now - self.created) / timedelta(days=1), 1)

    def status(self, now: datetime) -> Status:
        """Return whether it works."""
        if not self.is_told:
            return "unknown"
        if moment_of(self.fields, "revoked") is not None:
            return "revoked"
        if self.expires is not None and self.expires <= now:
            return "expired"
        return "revoked" if self.fields.get("invalid") is True else "valid"


@frozen
class KeyRow:
    """Hold one credential as it is judged.

    Attributes:
        key: the credential.
        owner: login name; empty where another credential made it, or the owner is not known.
        status: whether it works.
        risks: what is risky about it, one word each.
        is_own: it is the one this is asked with.
        age_days: how old it is, None where the API does not say.
    """

    key: Key
    owner: str
    status: Status
    risks: tuple[str, ...]
    is_own: bool = False
    age_days: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        key = self.key
        return {
            "id": key.id,
            "kind": key.kind,
            "description": key.description,
            "status": self.status,
            "owner": self.owner,
            "user_id": key.user_id,
            "created": _stamp(key.created),
            "expires": _stamp(key.expires),
            "revoked": _stamp(moment_of(key.fields, "revoked")),
            "age_days": self.age_days,
            "tags": list(key.tags),
            "scopes": list(key.scopes),
            "reusable": key.create.get("reusable") if key.create else None,
            "ephemeral": key.create.get("ephemeral") if key.create else None,
            "preauthorized": key.create.get("preauthorized") if key.create else None,
            **{name: value for name in ("issuer", "subject") if (value := text_of(key.fields, name))},
            "risks": list(self.risks),
            **({"own": True} if self.is_own else {}),
        }


def _stamp(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


def keys_of(fleet: Fleet) -> tuple[Key, ...] | None:
    """Return the credentials of a snapshot, None where they were not read.

    Args:
        fleet: whose snapshot is looked at.
    """
    if "keys" not in fleet.snapshot.content:
        return None
    return tuple(Key(record) for record in fleet.snapshot.content["keys"] or ())


def key_inventory(fleet: Fleet, *, now: datetime, own_key_id: str | None = None) -> tuple[KeyRow, ...] | None:
    """Return one row per credential; None where they were not read.

    Args:
        fleet: keys and users.
        now: moment of asking, with a zone.
        own_key_id: id of the credential this is asked with.
    """
    keys = keys_of(fleet)
    if keys is None:
        return None
    users = {text_of(user, "id"): user for user in fleet.snapshot.users}
    owners = users if "users" in fleet.snapshot.content else None
    return tuple(
        KeyRow(
            key,
            text_of(users.get(key.user_id, {}), "loginName"),
            key.status(now),
            tuple(_risks(key, owners, now)),
            own_key_id is not None and key.id == own_key_id,
            key.age_days(now),
        )
        for key in keys
    )


def _risks(key: Key, users: Mapping[str, Mapping[str, Any]] | None, now: datetime) -> Iterator[str]:
    if key.is_told and key.status(now) == "valid":
        yield from (name for name, holds in _marks(key, users, now).items() if holds)


def _marks(key: Key, users: Mapping[str, Mapping[str, Any]] | None, now: datetime) -> dict[str, bool]:
    hands_out = key.kind == "client" and bool({"auth_keys", "devices:core"} & set(key.scopes))
    user = (users or {}).get(key.user_id)
    claims = mapping_of(key.fields, "customClaimRules").values()
    patterns = (text_of(key.fields, "subject"), text_of(key.fields, "issuer"), *map(str, claims))
    return {
        "reusable": key.create.get("reusable") is True and key.create.get("ephemeral") is not True,
        "preauthorized-untagged": key.create.get("preauthorized") is True and not key.tags,
        "full-power": key.kind == "api",
        "all-scopes": "all" in key.scopes and key.kind != "api",
        "tagless-client": hands_out and not key.tags,
        "wildcard-claim": any("*" in pattern for pattern in patterns),
        "owner-suspended": user is not None and text_of(user, "status") == "suspended",
        "owner-gone": users is not None and bool(key.user_id) and user is None,
        "no-expiry": key.kind in {"auth", "api"} and key.expires is None,
        "old": key.created is not None and now - key.created > timedelta(days=365),
    }


RISKS: Final = frozenset(_marks(Key({}), None, datetime.min.replace(tzinfo=UTC)))
