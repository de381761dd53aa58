"""Take secrets out of text: the exact live values in every common encoding, and every credential shape."""

from __future__ import annotations

import base64
import json
import logging
import re
import threading
from urllib.parse import quote

MINIMUM_LENGTH = 8
_MASK = "***"
# Each pattern is linear: no nested quantifier, no overlap between neighbours.
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"tskey-([a-z]+)-[A-Za-z0-9_-]+"), rf"tskey-\1-{_MASK}"),
    (re.compile(r"(?i)\b(bearer|basic)(\s+)[A-Za-z0-9+/=_.~-]+"), rf"\1\2{_MASK}"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"), _MASK),
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]{0,20}://)[^\s/@]{1,200}@"), rf"\1{_MASK}@"),
    (re.compile(r"(https://login\.tailscale\.com/(?:admin/)?(?:invite|uinv)/)[A-Za-z0-9_-]+"), rf"\1{_MASK}"),
)
_known: dict[str, None] = {}
_lock = threading.Lock()


def register(value: str) -> None:
    """Remember a live secret, so that ``redact`` removes it wherever it turns up.

    Args:
        value: the secret; shorter than eight characters it would mask ordinary words.

    Raises:
        ValueError: the value is shorter than eight characters.
    """
    if len(value) < MINIMUM_LENGTH:
        raise ValueError(f"a secret shorter than {MINIMUM_LENGTH} characters cannot be told from ordinary text")
    with _lock:
        for form in _forms(value):
            _known[form] = None


def forget(value: str) -> None:
    """Stop masking a value that is no longer live."""
    with _lock:
        for form in _forms(value):
            _known.pop(form, None)


def _forms(value: str) -> set[str]:
    raw = value.encode("utf-8", "surrogatepass")
    encoded = {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()}
    # HTTP Basic puts the token before a colon, which changes the last characters.
    encoded |= {base64.b64encode(raw + b":").decode(), base64.urlsafe_b64encode(raw + b":").decode()}
    forms = {value, quote(value, safe="", errors="replace"), json.dumps(value)[1:-1]}
    return forms | {text.rstrip("=") for text in encoded} | encoded


def redact(text: str) -> str:
    """Return the text without any secret; total and linear in its length.

    Args:
        text: anything that is about to be shown, logged or raised.
    """
    with _lock:
        known = sorted(_known, key=len, reverse=True)
    for secret in known:
        if secret in text:
            text = text.replace(secret, _MASK)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


class RedactingFilter(logging.Filter):
    """Redact the final text of each log record, arguments and traceback included."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record in place and let it pass."""
        try:
            message = record.getMessage()
        except (TypeError, ValueError, KeyError):
            message = str(record.msg)
        record.msg, record.args = redact(message), None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = redact(record.exc_text)
        return True


def guard_loggers() -> None:
    """Put the filter on the loggers this product writes to; never on the root logger."""
    for name in ("tailscale_sdk", "httpx", "httpcore"):
        logger = logging.getLogger(name)
        if not any(isinstance(item, RedactingFilter) for item in logger.filters):
            logger.addFilter(RedactingFilter())
