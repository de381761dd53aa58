"""An issuer of tokens for the tests: keys, tokens that are wrong in one way each, and a key set over HTTP."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import httpx2
from attrs import define, field
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jwk, jwt

from mcp_adapter.oauth import OAuthSettings

ISSUER = "https://issuer.example.com"
AUDIENCE = "https://mcp.example.com/mcp"
JWKS_URL = "https://issuer.example.com/keys"
PUBLIC_URL = "https://mcp.example.com"
METADATA_URL = f"{PUBLIC_URL}/.well-known/oauth-protected-resource/mcp"
EVERY_SCOPE = "ts:read ts:write ts:delete"
SETTINGS = OAuthSettings(issuer=ISSUER, audience=AUDIENCE, jwks_url=JWKS_URL)


def rsa_key(kid: str) -> Any:
    """Make an RSA key pair."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return jwk.import_key(pem, "RSA", {"kid": kid})


def ec_key(kid: str) -> Any:
    """Make an elliptic key pair."""
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return jwk.import_key(pem, "EC", {"kid": kid})


def _part(content: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


@define(eq=False)
class Issuer:
    """Issue tokens, and publish the keys they are checked with.

    Attributes:
        fetches: how often the keys were asked for.
        down: the keys cannot be had.
    """

    key: Any = field(factory=lambda: rsa_key("first"))
    other: Any = field(factory=lambda: rsa_key("second"))
    fetches: int = 0
    down: bool = False

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Return what a good token says, changed; None takes a claim out."""
        now = int(time.time())
        good = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "alice",
            "client_id": "client-1",
            "iat": now,
            "exp": now + 600,
            "scope": EVERY_SCOPE,
        }
        return {name: value for name, value in {**good, **changes}.items() if value is not None}

    def token(
        self, *, key: Any = None, algorithm: str = "RS256", kid: str | None = "first", **changes: Any
    ) -> str:
        """Issue a token that is good but for the changes."""
        header = {"alg": algorithm, **({"kid": kid} if kid is not None else {})}
        return jwt.encode(header, self.claims(**changes), key or self.key, algorithms=[algorithm])

    def unsigned(self) -> str:
        """Write a token that claims to need no signature."""
        return f"{_part({'alg': 'none', 'kid': 'first'})}.{_part(self.claims())}."

    def confused(self) -> str:
        """Sign a token symmetrically with the public key everybody knows."""
        public = self.key.as_pem(private=False)
        signed = f"{_part({'alg': 'HS256', 'kid': 'first', 'typ': 'JWT'})}.{_part(self.claims())}"
        mac = hmac.new(public, signed.encode(), hashlib.sha256).digest()
        return f"{signed}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"

    def tampered(self) -> str:
        """Return a good token whose content was changed afterwards."""
        header, _, signature = self.token().split(".")
        return f"{header}.{_part(self.claims(sub='mallory'))}.{signature}"

    def client(self) -> httpx2.AsyncClient:
        """Return an HTTP client that finds the keys at their address and nothing anywhere else."""

        def respond(request: httpx2.Request) -> httpx2.Response:
            assert str(request.url) == JWKS_URL
            assert "authorization" not in request.headers
            self.fetches += 1
            if self.down:
                raise httpx2.ConnectError("refused")
            return httpx2.Response(200, json={"keys": [self.key.as_dict(private=False)]})

        return httpx2.AsyncClient(transport=httpx2.MockTransport(respond))
