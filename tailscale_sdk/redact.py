"""Take secrets out of text: the exact live values in every common encoding, and every credential shape."""

from __future__ import annotations

import base64
import json
import logging
import re
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

MINIMUM_LENGTH = 8
# Access and identity tokens come and go; the latest are enough, and a server runs for months.
PASSING_LIMIT = 64
# More endings than these, or than the text has places, are sooner found by looking each place up among them.
_MANY = 1000
_MASK = "***"
_DEPTH = 32
# Each pattern is linear: no nested quantifier, no overlap between neighbours, and a run of token
# characters is entered at its first character only.
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"tskey-([a-z]+)-[A-Za-z0-9_-]+"), rf"tskey-\1-{_MASK}"),
    (re.compile(r"(?i)\b(bearer|basic)(\s+)[A-Za-z0-9+/=_.~*-]+"), rf"\1\2{_MASK}"),
    (re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"), _MASK),
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]{0,20}://)[^\s/?#]{1,1000}@"), rf"\1{_MASK}@"),
    (re.compile(r"(https://login\.tailscale\.com/(?:admin/)?(?:invite|uinv)/)[A-Za-z0-9_-]+"), rf"\1{_MASK}"),
)
# Control, direction, invisible and tag characters, and lone surrogates, which no stream can print.
_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff\U000e0000-\U000e007f]+"
)
_REST = r"[A-Za-z0-9_=-]*"
_KIND = re.compile(r"tskey-[a-z]+-")
# Child loggers log for themselves: a filter of the parent does not see their records.
_GUARDED = (
    "tailscale_sdk",
    "tailscale_sdk.hooks",
    "httpx",
    "httpcore",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "httpcore.socks",
)


class _Known:
    """Keep the live values with all their forms, each found by its last characters: keys begin alike."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lasting: dict[str, dict[str, str]] = {}
        self._passing: OrderedDict[str, dict[str, str]] = OrderedDict()
        self._by_end: dict[str, tuple[tuple[str, str], ...]] = {}

    def add(self, value: str, *, passing: bool) -> None:
        with self._lock:
            if value in self._lasting or value in self._passing:
                return
            forms = _forms(value)
            (self._passing if passing else self._lasting)[value] = forms
            for form in forms.items():
                end = form[0][-MINIMUM_LENGTH:]
                self._by_end[end] = (*self._by_end.get(end, ()), form)
            if len(self._passing) > PASSING_LIMIT:
                self._remove(self._passing.popitem(last=False)[1])

    def drop(self, value: str) -> None:
        with self._lock:
            self._remove(self._lasting.pop(value, {}) | self._passing.pop(value, {}))

    def _remove(self, forms: dict[str, str]) -> None:
        for form in forms.items():
            end = form[0][-MINIMUM_LENGTH:]
            # One of each kind only: another secret may be written the same way.
            others = list(self._by_end[end])
            others.remove(form)
            if others:
                self._by_end[end] = tuple(others)
            else:
                del self._by_end[end]

    def found_in(self, text: str) -> list[tuple[str, str]]:
        """Return the forms that occur in a text with their masks, longest first."""
        known = self._by_end
        # No lock: each look is one step, and what was registered before is there.
        ends = tuple(known) if len(known) <= min(len(text), _MANY) else _ends_in(text, known)
        found = {form: mask for end in ends for form, mask in known.get(end, ()) if form in text}
        return sorted(found.items(), key=lambda pair: len(pair[0]), reverse=True)


def _ends_in(text: str, known: Mapping[str, object]) -> set[str]:
    places = range(len(text) - MINIMUM_LENGTH + 1)
    return {end for place in places if (end := text[place : place + MINIMUM_LENGTH]) in known}


_known = _Known()


def register(value: str, *, passing: bool = False) -> None:
    """Remember a live secret, so that ``redact`` removes it wherever it turns up.

    Args:
        value: the secret; shorter than eight characters it would mask ordinary words.
        passing: one of many that follow each other, such as an access token: only the latest are kept.

    Raises:
        ValueError: the value is shorter than eight characters.
    """
    if len(value) < MINIMUM_LENGTH:
        raise ValueError(
            f"a secret shorter than {MINIMUM_LENGTH} characters cannot be told from ordinary text"
        )
    _known.add(value, passing=passing)


def register_if_long(value: str, *, passing: bool = False) -> None:
    """Remember a live secret, unless it is too short to be told from ordinary text.

    Args:
        value: the secret, of any length.
        passing: as for ``register``.
    """
    if len(value) >= MINIMUM_LENGTH:
        register(value, passing=passing)


def forget(value: str) -> None:
    """Stop masking a value that is no longer live."""
    _known.drop(value)


def _forms(value: str) -> dict[str, str]:
    """Map each way the value may be written to what takes its place."""
    raw = value.encode("utf-8", "surrogatepass")
    encoded = {text for shift in range(3) for text in _base64_forms(raw, shift)}
    forms = dict.fromkeys(encoded | {quote(text, safe="") for text in encoded}, _MASK)
    kind = _KIND.match(value)
    plain = f"{kind.group()}{_MASK}" if kind else _MASK
    escaped = {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    escaped |= {text.replace("/", "\\/") for text in escaped}
    percent = {quote(value, safe="", errors="surrogatepass"), quote(value, errors="surrogatepass")}
    return forms | dict.fromkeys({value} | escaped | percent, plain)


def _base64_forms(raw: bytes, shift: int) -> tuple[str, str]:
    """Encode the value as it looks after ``shift`` other bytes, without the characters they share."""
    padded = bytes(shift) + raw
    stable = slice(-(-shift * 8 // 6), len(padded) * 8 // 6)
    return base64.b64encode(padded).decode()[stable], base64.urlsafe_b64encode(padded).decode()[stable]


def redact(text: str) -> str:
    """Return the text without any secret; total and linear in its length.

    Args:
        text: anything that is about to be shown, logged or raised.
    """
    for secret, mask in _known.found_in(text):
        # What hangs on to it is the rest of a longer secret, or of its encoding.
        text = re.sub(re.escape(secret) + _REST, mask, text)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def clean(text: str, limit: int) -> str:
    """Return text that is safe on one line: redacted, no control or direction characters, capped.

    Args:
        text: text of any origin.
        limit: most characters to keep.
    """
    # Redacted before as well: a line break inside a secret would hide its second half from the patterns.
    text = redact(_UNPRINTABLE.sub(" ", redact(text))).strip()
    return text if len(text) <= limit else f"{text[:limit]}…"


def redact_value(value: Any, depth: int = _DEPTH) -> Any:
    """Redact every text in decoded JSON, names included; what is nested deeper than any real answer is cut."""
    if isinstance(value, str):
        return redact(value)
    if not isinstance(value, dict | list):
        return value
    if not depth:
        return _MASK
    if isinstance(value, dict):
        return {redact(str(key)): redact_value(element, depth - 1) for key, element in value.items()}
    return [redact_value(element, depth - 1) for element in value]


def redact_body(body: bytes) -> bytes:
    """Redact a body without touching any other byte of it."""
    return redact(body.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


class RedactingFilter(logging.Filter):
    """Redact the final text of each log record, arguments, traceback and stack included."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record in place and let it pass."""
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001  # arguments may be of any kind; logging must not break a call
            message = str(record.msg)
        record.msg, record.args = redact(message), None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        # A handler that formats the exception anew would show what was just taken out.
        record.exc_info = None
        record.exc_text = redact(record.exc_text) if record.exc_text else None
        record.stack_info = redact(record.stack_info) if record.stack_info else None
        return True


def guard_loggers() -> None:
    """Put the filter on the loggers this product and its wire write to; never on the root logger."""
    for name in _GUARDED:
        logger = logging.getLogger(name)
        if not any(isinstance(item, RedactingFilter) for item in logger.filters):
            logger.addFilter(RedactingFilter())
