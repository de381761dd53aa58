"""Credentials and the pure state of an access token; nothing here talks to anybody."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

from attrs import field, frozen

from tailscale_sdk import redact
from tailscale_sdk._constants import TOKEN_LIFETIME_SECONDS, TOKEN_REFRESH_SHARE
from tailscale_sdk.errors import ConfigurationError


class Secret:
    """Hold a value that is never shown: repr, str and format give ``***``; it cannot be pickled."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        if not isinstance(value, str) or not value.strip():
            raise ConfigurationError("a credential must be non-empty text")
        if not value.isascii() or any(character.isspace() for character in value.strip()):
            raise ConfigurationError(
                "a credential is one word of ASCII characters: was something else pasted along?"
            )
        self._value = value.strip()
        if len(self._value) >= redact.MINIMUM_LENGTH:
            redact.register(self._value)

    def reveal(self) -> str:
        """Return the value, to be put on the wire and nowhere else."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    def __str__(self) -> str:
        return "***"

    def __format__(self, format_spec: str) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value, other._value)

    def __hash__(self) -> int:
        return hash(("Secret", self._value))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled or copied: hand over where it comes from instead")

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret:
        return self


def _as_secret(value: str | Secret) -> Secret:
    return value if isinstance(value, Secret) else Secret(value)


def _as_words(value: str | Iterable[str]) -> tuple[str, ...]:
    return tuple(value.split()) if isinstance(value, str) else tuple(value)


def _check_api_key(instance: ApiKey, attribute: Any, value: Secret) -> None:
    if value.reveal().startswith("tskey-client-"):
        raise ConfigurationError(
            "this is an OAuth client secret (tskey-client-…), not an API key: pass "
            "auth=OAuthClient(client_id, client_secret), or set TAILSCALE_OAUTH_CLIENT_ID and TAILSCALE_OAUTH_CLIENT_SECRET"
        )
    if value.reveal().startswith("tskey-auth-"):
        raise ConfigurationError(
            "this is an auth key (tskey-auth-…): it adds devices to a tailnet and cannot call the API; "
            "make an API access token (tskey-api-…) under Settings, Keys"
        )


@frozen
class ApiKey:
    """Authenticate with an API access token, ``tskey-api-…``, which has the rights of its user.

    Args:
        token: the access token.

    Raises:
        ConfigurationError: it is another kind of credential; the text says which and what to do.
    """

    token: Secret = field(converter=_as_secret, validator=_check_api_key)


@frozen
class OAuthClient:
    """Authenticate as an OAuth client, whose access tokens are fetched and renewed when needed.

    Args:
        client_id: id of the client.
        client_secret: its secret, ``tskey-client-…``.
        scopes: scopes to ask for, all of the client's when empty.
        tags: tags to ask for, each ``tag:name``; all of the client's when empty.
    """

    client_id: str
    client_secret: Secret = field(converter=_as_secret)
    scopes: tuple[str, ...] = field(default=(), converter=_as_words, kw_only=True)
    tags: tuple[str, ...] = field(default=(), converter=_as_words, kw_only=True)

    def form(self) -> dict[str, str]:
        """Return the fields of the token request."""
        fields = {
            "client_id": self.client_id,
            "client_secret": self.client_secret.reveal(),
            "grant_type": "client_credentials",
        }
        if self.scopes:
            fields["scope"] = " ".join(self.scopes)
        if self.tags:
            fields["tags"] = " ".join(self.tags)
        return fields


def _guard_identity(value: str | Secret | Callable[[], str]) -> Secret | str | Callable[[], str]:
    if callable(value) or isinstance(value, Secret) or value.startswith("file:"):
        return value
    return Secret(value)


@frozen
class WorkloadIdentity:
    """Authenticate with the identity token a CI system or cloud gives to a workload.

    Args:
        client_id: id of the federated identity.
        identity_token: the JWT, ``file:PATH``, or a callable that returns it; files and callables
            are read anew for every exchange, because such tokens live for minutes.
    """

    client_id: str
    identity_token: Secret | str | Callable[[], str] = field(
        converter=_guard_identity, repr=lambda value: "'***'"
    )

    def form(self) -> dict[str, str]:
        """Read the identity token and return the fields of the exchange.

        Raises:
            ConfigurationError: the file cannot be read or holds no token.
        """
        return {"client_id": self.client_id, "jwt": self._read().reveal()}

    def _read(self) -> Secret:
        source = self.identity_token
        if isinstance(source, Secret):
            return source
        if callable(source):
            return Secret(source())
        path = Path(source.removeprefix("file:"))
        try:
            return Secret(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as problem:
            raise ConfigurationError(
                f"the identity token file {path} cannot be read: {type(problem).__name__}"
            ) from None


Credential = ApiKey | OAuthClient | WorkloadIdentity


@frozen
class TokenState:
    """Describe one access token on a monotonic clock.

    Attributes:
        token: the access token.
        obtained: monotonic seconds at which the request for it was sent.
        lifetime: seconds it lives.
        scopes: scopes the answer says were granted; never concluded from what was asked.
        tags: tags the answer says were granted.
    """

    token: Secret
    obtained: float
    lifetime: float
    scopes: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    def is_live(self, now: float) -> bool:
        """Tell whether the token can still be used."""
        return now < self.obtained + self.lifetime

    def is_due(self, now: float) -> bool:
        """Tell whether it should be replaced: 80 % of its life are over."""
        return now >= self.obtained + TOKEN_REFRESH_SHARE * self.lifetime


def read_token_answer(answer: Any, obtained: float) -> TokenState | None:
    """Read the token endpoint's JSON; None when it holds no token.

    Args:
        answer: decoded JSON.
        obtained: monotonic seconds at which the request was sent.
    """
    if (
        not isinstance(answer, dict)
        or not isinstance(answer.get("access_token"), str)
        or not answer["access_token"]
    ):
        return None
    lifetime = answer.get("expires_in")
    if isinstance(lifetime, bool) or not isinstance(lifetime, int | float) or lifetime <= 0:
        lifetime = TOKEN_LIFETIME_SECONDS
    return TokenState(
        token=Secret(answer["access_token"]),
        obtained=obtained,
        lifetime=float(lifetime),
        scopes=_words(answer.get("scope")),
        tags=_words(answer.get("tags")),
    )


def _words(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(value.split())
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def credential_from(api_key: str | Secret | None, auth: Credential | str | None) -> Credential:
    """Choose the credential of a client from its two arguments.

    Raises:
        ConfigurationError: none or both were given.
    """
    if api_key is not None and auth is not None:
        raise ConfigurationError("pass api_key= or auth=, not both")
    if isinstance(auth, str):
        return ApiKey(auth)
    if auth is not None:
        return auth
    if api_key is None:
        raise ConfigurationError(
            "no credential: pass api_key= or auth=, or use from_env() with TAILSCALE_API_KEY, or with "
            "TAILSCALE_OAUTH_CLIENT_ID and TAILSCALE_OAUTH_CLIENT_SECRET or TAILSCALE_IDENTITY_TOKEN"
        )
    return ApiKey(api_key)
