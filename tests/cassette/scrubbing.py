"""What a recording may hold: no secret, no identity; applied while recording, checked afterwards."""

from __future__ import annotations

import base64
import json
import re
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
_SHAPES: dict[str, re.Pattern[str]] = {
    "Tailscale credential": re.compile(r"tskey-[a-z]+-(?!demo\b|scrubbed\b)[A-Za-z0-9]"),
    "JWT": re.compile(r"eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]*"),
    "bearer token": re.compile(r"(?i)\b(bearer|basic)\s+(?!scrubbed)(?=\S*[0-9])[A-Za-z0-9+/=_.-]{6,}"),
    "e-mail address": re.compile(
        r"[A-Za-z0-9._%+-]+@(?!(?:[a-z0-9-]+\.)*example\.(?:com|org|net)\b)[A-Za-z0-9-]+\.[A-Za-z]{2,}"
    ),
    "tailnet name": re.compile(r"\b[a-z0-9-]+\.ts\.net\b"),
    "invite link": re.compile(r"login\.tailscale\.com/(?:admin/)?(?:invite|uinv)/[A-Za-z0-9]"),
}


def scrub_json(value: Any, *, inside: str = "") -> Any:
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
    """Replace credential shapes in free text."""
    return _KEEP_KIND.sub(lambda found: f"tskey-{found[1]}-{SCRUBBED}", text)


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


def findings(text: str) -> list[str]:
    """Name each secret or identity shape in a text, looking through line breaks and encodings."""
    joined = re.sub(r"\s+", "", text)
    views = {"plain": text, "joined": joined, "percent-decoded": unquote(text), **_decoded(text)}
    found = {
        f"{name} ({view})"
        for view, content in views.items()
        for name, shape in _SHAPES.items()
        if shape.search(content)
        and not (view == "joined" and name in {"bearer token", "e-mail address", "tailnet name"})
    }
    return sorted(found)


def _decoded(text: str) -> dict[str, str]:
    plain = []
    for run in re.findall(r"[A-Za-z0-9+/_-]{16,}={0,2}", text):
        try:
            plain.append(base64.b64decode(run + "=" * (-len(run) % 4), altchars=b"-_").decode("ascii"))
        except ValueError:
            continue
    return {"base64-decoded": "\n".join(plain)}
