"""Checks of single values in requests: each refuses with a text that says what would be accepted."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from typing import Any
from urllib.parse import SplitResult, urlsplit

from tailscale_sdk.testing.exchange import Refusal, typed

_DOMAIN = re.compile(r"(?=.{1,253}\.?$)([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.?)+")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_DESCRIPTION = re.compile(r"[A-Za-z0-9 -]*")
_CONTROL = re.compile(r"[\x00-\x20\x7f]")
DESCRIPTION_MAX_CHARACTERS = 50


def check_choice(value: str, allowed: Collection[str], where: str) -> str:
    """Return a value that is one of those allowed.

    Raises:
        Refusal: 400 naming them.
    """
    if value not in allowed:
        raise Refusal(400, f"{where} must be one of {', '.join(sorted(allowed))}")
    return value


def check_address(value: Any, where: str) -> str:
    """Return a resolver's address: an IP address or the https URL of a DNS-over-HTTPS service.

    Raises:
        Refusal: 400.
    """
    text = typed(value, str, where)
    if text.startswith("https://") and split_url(text, where).hostname:
        return text
    if not is_address(text):
        raise Refusal(400, f"{where} must be an IP address or an https:// URL")
    return text


def is_address(text: str) -> bool:
    """Tell whether a text is one IP address, without a zone."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def check_domain(value: str, where: str) -> str:
    """Return a DNS name such as ``corp.example.com``.

    Raises:
        Refusal: 400.
    """
    if not _DOMAIN.fullmatch(value):
        raise Refusal(400, f"{where} must be a domain name such as corp.example.com")
    return value


def check_email(value: str, where: str) -> str:
    """Return an e-mail address.

    Raises:
        Refusal: 400.
    """
    if not _EMAIL.fullmatch(value):
        raise Refusal(400, f"{where} must be an e-mail address such as admin@example.com")
    return value


def check_description(value: str) -> str:
    """Return the description of a key.

    Raises:
        Refusal: 400 when it is too long or has other characters than the service takes.
    """
    if len(value) > DESCRIPTION_MAX_CHARACTERS:
        raise Refusal(400, f"description must have at most {DESCRIPTION_MAX_CHARACTERS} characters")
    if not _DESCRIPTION.fullmatch(value):
        raise Refusal(400, "description can only contain letters, numbers, hyphens and spaces")
    return value


def split_url(value: str, where: str) -> SplitResult:
    """Take a URL with a host apart.

    Raises:
        Refusal: 400.
    """
    try:
        parts = urlsplit(value)
        usable = bool(parts.scheme and parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable or _CONTROL.search(value):
        raise Refusal(400, f"{where} must be a URL with a host, such as https://example.com/path")
    return parts


def is_loopback(host: str | None) -> bool:
    """Tell whether a host name or address means this machine."""
    if host is None:
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
