"""Credentials and the pure state of an access token; nothing here talks to anybody."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from attrs import field, frozen

from tailscale_sdk import redact
from tailscale_sdk._constants import TOKEN_LIFETIME_SECONDS, TOKEN_REFRESH_SHARE
from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.private_file import PREFIX, read_value

_WORD = re.compile(r"[!-~]+")
_KIND = re.compile(r"tskey-([a-z]+)-")
_NOT_AN_API_KEY = {
    "client": (
        "this is an OAuth client secret (tskey-client-…), not an API key: pass auth=OAuthClient(client_id, "
        "client_secret), or set TAILSCALE_OAUTH_CLIENT_ID and TAILSCALE_OAUTH_CLIENT_SECRET"
    ),
    "auth": (
        "this is an auth key (tskey-auth-…): it adds devices to a tailnet and cannot call the API; "
        "make an API access token (tskey-api-…) under Settings, Keys"
    ),
    "webhook": (
        "this is a webhook's secret (tskey-webhook-…), which only verifies deliveries; "
        "make an API access token (tskey-api-…) under Settings, Keys"
    ),
}


class Secret:
    """Hold a value that is never shown: repr, str and format give ``***``; it cannot be pickled.

    Args:
        value: one word of printable ASCII.
        passing: one of many that follow each other, such as an access token.

    Raises:
        ConfigurationError: the value is empty, or more than one word.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str, *, passing: bool = False) -> None:
        if not isinstance(value, str) or not value.strip():
            raise ConfigurationError("a credential must be non-empty text")
        if not _WORD.fullmatch(value.strip()):
            raise ConfigurationError(
                "a credential is one word of ASCII characters: was something else pasted along?"
            )
        self._value = value.strip()
        redact.register_if_long(self._value, passing=passing)

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
    return value if isinstance(value, Secret) else Secret(read_value("the credential", value))


def _as_client_id(value: str) -> str:
    word = read_value("client_id", value).strip()
    if not _WORD.fullmatch(word):
        raise ConfigurationError("client_id must be the id shown beside the OAuth client: one word")
    return word


def _as_words(value: str | Iterable[str]) -> tuple[str, ...]:
    words = tuple(value.split()) if isinstance(value, str) else tuple(value)
    if not all(isinstance(word, str) and _WORD.fullmatch(word) for word in words):
        raise ConfigurationError("scopes and tags are lists of words, such as devices:core:read or tag:ci")
    return words


def _kind_of(secret: Secret) -> str | None:
    """Return what a key of Tailscale's says it is: api, client, auth, webhook or another kind."""
    match = _KIND.match(secret.reveal())
    return match.group(1) if match else None


def _check_api_key(instance: ApiKey, attribute: Any, value: Secret) -> None:
    if (problem := _NOT_AN_API_KEY.get(_kind_of(value) or "")) is not None:
        raise ConfigurationError(problem)


def _check_client_secret(instance: OAuthClient, attribute: Any, value: Secret) -> None:
    kind = _kind_of(value)
    if kind in {None, "client"}:
        return
    remedy = ": pass it as api_key=, or set TAILSCALE_API_KEY" if kind == "api" else ""
    raise ConfigurationError(
        f"this is a key of another kind (tskey-{kind}-…), not an OAuth client secret (tskey-client-…){remedy}"
    )


def _check_identity(instance: WorkloadIdentity, attribute: Any, value: Any) -> None:
    if isinstance(value, Secret) and (kind := _kind_of(value)) is not None:
        raise ConfigurationError(
            f"this is a key of Tailscale's (tskey-{kind}-…), not an identity token: "
            "that is the JWT a CI system or cloud issues to the workload"
        )


@frozen
class ApiKey:
    """Authenticate with an API access token, ``tskey-api-…``, which has the rights of its user.

    Args:
        token: the access token, or ``file:PATH``.

    Raises:
        ConfigurationError: it is another kind of credential; the text says which and what to do.
    """

    token: Secret = field(converter=_as_secret, validator=_check_api_key)


@frozen
class OAuthClient:
    """Authenticate as an OAuth client, whose access tokens are fetched and renewed when needed.

    Args:
        client_id: id of the client.
        client_secret: its secret, ``tskey-client-…``, or ``file:PATH``.
        scopes: scopes to ask for, all of the client's when empty.
        tags: tags to ask for, each ``tag:name``; all of the client's when empty. The service has
            granted more tags than were asked for: the token's state tells what was granted.

    Raises:
        ConfigurationError: a part is missing, or is another kind of credential.
    """

    client_id: str = field(converter=_as_client_id)
    client_secret: Secret = field(converter=_as_secret, validator=_check_client_secret)
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
    if callable(value) or isinstance(value, Secret):
        return value
    if isinstance(value, str) and value.startswith(PREFIX):
        return value
    return Secret(value)


@frozen
class WorkloadIdentity:
    """Authenticate with the identity token a CI system or cloud gives to a workload.

    Args:
        client_id: id of the federated identity.
        identity_token: the JWT, ``file:PATH``, or a callable that returns it; files and callables
            are read anew for every exchange, because such tokens live for minutes.

    Raises:
        ConfigurationError: a part is missing, or is another kind of credential.
    """

    client_id: str = field(converter=_as_client_id)
    identity_token: Secret | str | Callable[[], str] = field(
        converter=_guard_identity, validator=_check_identity, repr=lambda value: "'***'"
    )

    def form(self) -> dict[str, str]:
        """Read the identity token and return the fields of the exchange, which takes no scope.

        Raises:
            ConfigurationError: the file or the callable gives no token.
        """
        return {"client_id": self.client_id, "jwt": self._read().reveal()}

    def _read(self) -> Secret:
        source = self.identity_token
        if isinstance(source, Secret):
            return source
        if isinstance(source, str):
            return Secret(read_value("identity_token", source), passing=True)
        try:
            token = source()
        except Exception as problem:
            kind = type(problem).__name__
            raise ConfigurationError(f"the identity token's callable failed ({kind})") from problem
        return Secret(token, passing=True)


Credential = ApiKey | OAuthClient | WorkloadIdentity


@frozen
class Access:
    """Say what a credential is and what the token endpoint granted it.

    Attributes:
        kind: ``api key``, ``oauth client`` or ``workload identity``.
        key_id: id under which it is listed among the keys, where it tells.
        scopes: scopes that were granted; None for an API key, which has the rights of its user.
        tags: tags that were granted.
        expires_in: seconds until the access token ends; None for an API key.
    """

    kind: str
    key_id: str | None
    scopes: tuple[str, ...] | None = None
    tags: tuple[str, ...] = ()
    expires_in: float | None = None


def access_of(credential: Credential, state: TokenState | None, now: float) -> Access:
    """Describe a credential by the token it was last granted.

    Args:
        credential: of the client.
        state: what the token endpoint granted; None for an API key.
        now: monotonic seconds.
    """
    kind = {ApiKey: "api key", OAuthClient: "oauth client"}.get(type(credential), "workload identity")
    if state is None:
        return Access(kind, key_id_of(credential))
    left = max(state.obtained + state.lifetime - now, 0.0)
    return Access(kind, key_id_of(credential), state.granted_scopes, state.granted_tags, left)


def key_id_of(credential: Credential) -> str | None:
    """Return the id under which a credential is listed among the keys; None where it does not tell.

    Args:
        credential: of the client.
    """
    if not isinstance(credential, ApiKey):
        return credential.client_id
    # tskey-<kind>-<id>-<secret>; ids made by the service end in CNTRL.
    parts = credential.token.reveal().split("-")[2:-1]
    return next((part for part in parts if part.endswith("CNTRL")), parts[0] if parts else None)


@frozen
class TokenState:
    """Describe one access token on a monotonic clock.

    Attributes:
        token: the access token.
        obtained: monotonic seconds at which the request for it was sent.
        lifetime: seconds it lives.
        granted_scopes: scopes the answer says were granted; never concluded from what was asked.
        granted_tags: tags the answer says were granted.
    """

    token: Secret
    obtained: float
    lifetime: float
    granted_scopes: tuple[str, ...] = ()
    granted_tags: tuple[str, ...] = ()

    def is_live(self, now: float) -> bool:
        """Tell whether the token can still be used."""
        return now < self.obtained + self.lifetime

    def is_due(self, now: float) -> bool:
        """Tell whether it should be replaced: 80 % of its life are over."""
        return now >= self.obtained + TOKEN_REFRESH_SHARE * self.lifetime


def read_token_answer(answer: Any, obtained: float) -> TokenState | None:
    """Read the token endpoint's JSON; None when it holds no usable token.

    Args:
        answer: decoded JSON.
        obtained: monotonic seconds at which the request was sent.
    """
    if not isinstance(answer, dict):
        return None
    try:
        token = Secret(answer.get("access_token", ""), passing=True)
    except ConfigurationError:
        return None
    return TokenState(
        token=token,
        obtained=obtained,
        lifetime=_lifetime(answer.get("expires_in")),
        granted_scopes=_words(answer.get("scope")),
        granted_tags=_words(answer.get("tags")),
    )


def _lifetime(value: Any) -> float:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        return TOKEN_LIFETIME_SECONDS
    return float(value)


def _words(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(value.split())
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def credential_from(api_key: str | Secret | None, auth: Credential | str | Secret | None) -> Credential:
    """Choose the credential of a client from its two arguments.

    Raises:
        ConfigurationError: none or both were given, or something that is no credential.
    """
    if api_key is not None and auth is not None:
        raise ConfigurationError("more than one credential: pass api_key= or auth=, not both")
    if isinstance(auth, ApiKey | OAuthClient | WorkloadIdentity):
        return auth
    given = auth if api_key is None else api_key
    if given is None:
        raise ConfigurationError(
            "no credential: pass api_key= or auth=, or use from_env() with TAILSCALE_API_KEY, or with "
            "TAILSCALE_OAUTH_CLIENT_ID and TAILSCALE_OAUTH_CLIENT_SECRET or TAILSCALE_IDENTITY_TOKEN"
        )
    if not isinstance(given, str | Secret):
        raise ConfigurationError(
            f"{type(given).__name__} is no credential here: api_key= takes text, "
            "auth= takes ApiKey, OAuthClient or WorkloadIdentity"
        )
    return ApiKey(given)
