"""OAuth: this server as a resource server, which checks tokens that somebody else issued."""

from __future__ import annotations

import logging
import math
import time
from typing import Any
from urllib.parse import urlsplit

from attrs import frozen
from fastmcp.server.auth import AccessToken, RemoteAuthProvider
from fastmcp.server.auth.providers.jwt import JWTVerifier

from mcp_adapter.caller_scopes import READ, SCOPES
from mcp_adapter.flags import WrongUse
from tailscale_sdk.redact import clean

ALGORITHMS = (
    *("RS256", "RS384", "RS512"),
    *("PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512"),
    *("Ed25519", "EdDSA"),
)
"""Asymmetric ones only: a symmetric key that checks tokens also makes them."""

LEEWAY_SECONDS = 60
MAX_TOKEN_CHARACTERS = 16 * 1024
_LOG_LIMIT = 300


@frozen(kw_only=True)
class OAuthSettings:
    """Hold whose tokens are accepted.

    Attributes:
        issuer: what ``iss`` must say.
        audience: what ``aud`` must contain.
        jwks_url: where the issuer's public keys are.
        algorithm: the one that is accepted.
    """

    issuer: str
    audience: str
    jwks_url: str
    algorithm: str = ALGORITHMS[0]


def check_https(flag: str, url: str) -> str:
    """Return a URL that is fetched or advertised over TLS.

    Raises:
        WrongUse: it is none of https, or has a user or a fragment in it.
    """
    try:
        parts = urlsplit(url)
        wrong = parts.scheme != "https" or not parts.hostname or parts.username is not None or parts.fragment
        _ = parts.port
    except ValueError:
        wrong = True
    if wrong:
        raise WrongUse(f"{flag} must be an https:// URL without user and fragment")
    return url


class _OneLine(logging.Filter):
    """Keep what a token says from writing more than one plain line into the log."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = clean(record.getMessage(), _LOG_LIMIT), None
        return True


_log = logging.getLogger("mcp_adapter.oauth")
_log.addFilter(_OneLine())


class IssuedTokens(JWTVerifier):
    """Check signature, issuer, audience and times, all of which must be there; the token itself is not kept.

    Args:
        settings: whose tokens are accepted.
        http_client: fetches the keys; a fresh one for each fetch when left out.
    """

    def __init__(self, settings: OAuthSettings, *, http_client: Any = None) -> None:
        if not settings.issuer or not settings.audience or settings.algorithm not in ALGORITHMS:
            raise WrongUse(
                "--oauth-issuer, --oauth-audience and an asymmetric --oauth-algorithm are mandatory"
            )
        super().__init__(
            jwks_uri=check_https("--oauth-jwks-url", settings.jwks_url),
            issuer=settings.issuer,
            audience=settings.audience,
            algorithm=settings.algorithm,
            http_client=http_client,
        )
        self.logger = _log
        self.reachable = True
        """The issuer's keys came when they were last asked for."""

    async def _fetch_jwks(self) -> dict[str, Any]:
        self.reachable = False
        found = await super()._fetch_jwks()
        self.reachable = True
        return found

    async def load_access_token(self, token: str) -> AccessToken | None:
        """Return who a token was issued to; None whatever is wrong with it."""
        if len(token) > MAX_TOKEN_CHARACTERS:
            return None
        try:
            found = await super().load_access_token(token)
        except (ArithmeticError, RecursionError):
            # A header nested a thousand deep, or an expiry that is no number of seconds.
            return None
        if found is None:
            return None
        client: Any = found.claims.get("client_id") or found.claims.get("azp") or ""
        if not _is_complete(found.claims, client, time.time()):
            return None
        return AccessToken(
            token="",
            client_id=client,
            scopes=[scope for scope in SCOPES if scope in found.scopes],
            expires_at=found.expires_at,
            subject=found.claims["sub"],
            claims={"iss": found.claims["iss"], "sub": found.claims["sub"]},
        )


def _is_complete(claims: dict[str, Any], client: Any, now: float) -> bool:
    """Tell whether a token says who, until when, and is already valid; the library leaves these out."""
    subject = claims.get("sub")
    # The principal is written issuer|subject|client: only the subject may contain the separator.
    if not isinstance(subject, str) or not subject or not isinstance(client, str) or "|" in client:
        return False
    expires, begins = _seconds(claims.get("exp")), _seconds(claims.get("nbf", 0))
    issued = _seconds(claims.get("iat", 0))
    if expires is None or begins is None or issued is None:
        return False
    return now < expires and begins <= now + LEEWAY_SECONDS and issued <= now + LEEWAY_SECONDS


def _seconds(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def resource_server(
    settings: OAuthSettings, public_url: str, *, http_client: Any = None
) -> RemoteAuthProvider:
    """Build the provider that checks tokens and says where they come from.

    Args:
        settings: whose tokens are accepted.
        public_url: origin under which clients reach this server.
        http_client: fetches the issuer's keys.
    """
    # As text: a URL object would end in a slash that the issuer's own name may not have.
    issuers: list[Any] = [settings.issuer]
    return RemoteAuthProvider(
        token_verifier=IssuedTokens(settings, http_client=http_client),
        authorization_servers=issuers,
        base_url=public_url,
        scopes_supported=list(SCOPES),
        challenge_scopes=[READ],
        resource_name="Tailscale",
    )
