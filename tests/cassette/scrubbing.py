"""What a recording may hold: no secret, no identity; applied while recording, checked afterwards."""

from __future__ import annotations

import base64
import ipaddress
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

SECRET_FIELDS = {
    "access_token",
    "client_secret",
    "clientSecret",
    "gcsCredentials",
    "id_token",
    "inviteUrl",
    "invite",
    "jwt",
    "key",
    "s3SecretAccessKey",
    "secret",
    "token",
}
SCRUBBED = "scrubbed"
_KEEP_KIND = re.compile(r"tskey-([a-z]+)-[A-Za-z0-9_-]+")
_PUBLIC_KEY = re.compile(r"\b(mkey|nodekey|discokey|tlpub|nlpub):[0-9a-f]{16,}")
# An IPv4 address, or an IPv6 one of the range that is routed in public.
_ADDRESS = re.compile(
    r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?!\w|\.\d)"
    r"|(?<![\w:.])[23][0-9a-fA-F]{3}(?::[0-9a-fA-F]{0,4}){2,7}(?![\w:])"
)
# Addresses of examples, of private networks, of the range all tailnets use, and of well-known resolvers.
_DEMO_RANGES = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("0.0.0.0/32", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),
        *("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"),
        *("1.1.1.1/32", "8.8.8.8/32", "8.8.4.4/32", "9.9.9.9/32"),
    )
)
_SHAPES: dict[str, re.Pattern[str]] = {
    "Tailscale credential": re.compile(r"tskey-[a-z]+-(?!demo\b|scrubbed\b)[A-Za-z0-9]"),
    "JWT": re.compile(r"eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]*"),
    "bearer token": re.compile(r"(?i)\b(bearer|basic)\s+(?!scrubbed)(?=\S*[0-9])[A-Za-z0-9+/=_.-]{6,}"),
    "e-mail address": re.compile(
        r"[A-Za-z0-9._%+-]+@(?!(?:[a-z0-9-]+\.)*example\.(?:com|org|net)\b)[A-Za-z0-9-]+\.[A-Za-z]{2,}"
    ),
    "tailnet name": re.compile(r"\b[a-z0-9-]+\.ts\.net\b"),
    "public key": _PUBLIC_KEY,
    "invite link": re.compile(r"login\.tailscale\.com/(?:admin/)?(?:invite|uinv)/[A-Za-z0-9]"),
}


def scrub_json(value: Any) -> Any:
    """Replace the values of secret fields and every credential shape in a JSON tree."""
    if isinstance(value, dict):
        return {key: _scrub_field(key, element) for key, element in value.items()}
    if isinstance(value, list):
        return [scrub_json(element) for element in value]
    return scrub_text(value) if isinstance(value, str) else value


def _scrub_field(name: str, value: Any) -> Any:
    if name in SECRET_FIELDS and isinstance(value, str) and value:
        kind = _KEEP_KIND.match(value)
        return f"tskey-{kind[1]}-{SCRUBBED}" if kind else SCRUBBED
    return scrub_json(value)


def scrub_text(text: str) -> str:
    """Replace the shapes of credentials and public keys in free text."""
    text = _KEEP_KIND.sub(lambda found: f"tskey-{found[1]}-{SCRUBBED}", text)
    return _PUBLIC_KEY.sub(lambda found: f"{found[1]}:{SCRUBBED}", text)


def scrub_body(body: bytes) -> bytes:
    """Scrub a body of any kind: JSON by field, forms by field, other text by shape."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return body
    if not text:
        return body
    try:
        return json.dumps(scrub_json(json.loads(text)), separators=(",", ":"), ensure_ascii=False).encode()
    except ValueError:
        pass
    if re.fullmatch(r"[A-Za-z_]+=[^\s]*", text):
        return "&".join(_scrub_pair(pair) for pair in text.split("&")).encode()
    return scrub_text(text).encode()


def _scrub_pair(pair: str) -> str:
    name, _, value = pair.partition("=")
    return f"{name}={SCRUBBED}" if name in SECRET_FIELDS else f"{name}={value}"


# Shapes that letters of two neighbouring words may make when the space between them is taken away.
_SPACED = {"bearer token", "e-mail address", "tailnet name", "address"}
# Shapes that cannot come about by chance where bytes are taken for text.
_SPECIFIC = ("Tailscale credential", "JWT")


def findings(text: str) -> list[str]:
    """Name each secret or identity shape in a text, looking through line breaks and encodings."""
    joined = re.sub(r"\s+", "", text)
    found = {f"{name} (plain)" for name in _shapes_in(text)}
    found |= {f"{name} (joined)" for name in _shapes_in(joined) - _SPACED}
    found |= {f"{name} (percent-decoded)" for name in _shapes_in(unquote(text))}
    decoded = "\n".join((*_decoded(text), *_decoded(joined)))
    found |= {f"{name} (base64-decoded)" for name in _SPECIFIC if _SHAPES[name].search(decoded)}
    return sorted(found)


def _shapes_in(text: str) -> set[str]:
    named = {name for name, shape in _SHAPES.items() if shape.search(text)}
    return named | ({"address"} if any(_is_foreign(found[0]) for found in _ADDRESS.finditer(text)) else set())


def _is_foreign(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not any(address in network for network in _DEMO_RANGES)


def _decoded(text: str) -> Iterator[str]:
    """Decode every run of base64; what stands before it in one word may have shifted its beginning."""
    for run in re.findall(r"[A-Za-z0-9+/_-]{16,}={0,2}", text):
        letters = run.rstrip("=")
        for start in range(4):
            part = letters[start : start + (len(letters) - start) // 4 * 4]
            yield base64.b64decode(part, altchars=b"-_").decode("latin-1")
