"""Static bearer tokens: where they come from, how good they must be, and how one is recognised."""

from __future__ import annotations

import hashlib
import hmac
import math
import os
import re
import secrets
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

from attrs import frozen
from fastmcp.server.auth import AccessToken, TokenVerifier

from mcp_adapter.caller_scopes import SCOPES
from mcp_adapter.flags import WrongUse

MINIMUM_BITS = 128
MAX_TOKENS = 8
"""Two are enough to replace one; more would be a list of users, which this is not."""

MAX_FILE_BYTES = 64 * 1024
NAME_CHARACTERS = 12
_DISTINCT_CHARACTERS = 8
_GENERATED_BYTES = 32
_FOLDER, _FILE = "http", "token"
_FORM = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_ALPHABETS = (
    (re.compile(r"[0-9]+"), 10),
    (re.compile(r"[0-9a-f]+|[0-9A-F]+"), 16),
    (re.compile(r"[a-z0-9]+|[A-Z0-9]+"), 36),
)
_WHOLE_ALPHABET = 64


def check_token(source: str, token: str) -> str:
    """Return a token that is good enough.

    Args:
        source: flag or variable, for the error text.
        token: as given.

    Raises:
        WrongUse: it can be guessed, or cannot stand in a header; the value is not part of the text.
    """
    if not _FORM.fullmatch(token):
        raise WrongUse(f"{source}: a token has letters, digits and . _ ~ + / - only")
    alphabet = next((size for form, size in _ALPHABETS if form.fullmatch(token)), _WHOLE_ALPHABET)
    if len(token) * math.log2(alphabet) < MINIMUM_BITS or len(set(token)) < _DISTINCT_CHARACTERS:
        raise WrongUse(
            f"{source}: a token needs {MINIMUM_BITS} random bits, such as 'openssl rand -hex 32' makes"
        )
    return token


def read_private(source: str, path: Path, *, group_may_read: bool = False) -> str:
    """Read a file of secrets; what was opened is judged, so a link is as good as the file behind it.

    Args:
        source: flag or variable, for the error text.
        path: the file.
        group_may_read: the operator allows it, as mounted secrets need it.

    Raises:
        WrongUse: it is missing, is no text file, or others than its owner may read or write it.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb") as file:
            _check_modes(source, path, os.fstat(descriptor), group_may_read=group_may_read)
            data = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or "this is no path"
        raise WrongUse(f"{source}: {path} cannot be read ({reason})") from None
    if len(data) > MAX_FILE_BYTES:
        raise WrongUse(f"{source}: {path} is larger than {MAX_FILE_BYTES} bytes: is it the right file?")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise WrongUse(f"{source}: {path} is not UTF-8 text") from None


def _check_modes(source: str, path: Path, status: os.stat_result, *, group_may_read: bool) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise WrongUse(f"{source}: {path} is not a plain file")
    if os.name != "posix":
        return
    if status.st_uid not in {os.geteuid(), 0}:
        raise WrongUse(f"{source}: {path} belongs to another user")
    allowed = stat.S_IRWXU | (stat.S_IRGRP if group_may_read else 0)
    if stat.S_IMODE(status.st_mode) & 0o777 & ~allowed:
        hint = "" if group_may_read else ", or start with --group-readable-files where it is a mounted secret"
        raise WrongUse(f"{source}: {path} is open to others: run chmod 600 {path}{hint}")


def read_tokens(source: str, text: str) -> tuple[str, ...]:
    """Return the tokens of a text, one per line; empty lines and those that begin with # are left out.

    Raises:
        WrongUse: there is none, there are too many, or one is not good enough.
    """
    lines = [line.strip() for line in text.splitlines()]
    found = tuple(dict.fromkeys(line for line in lines if line and not line.startswith("#")))
    if not found:
        raise WrongUse(f"{source}: there is no token in it")
    if len(found) > MAX_TOKENS:
        raise WrongUse(f"{source}: at most {MAX_TOKENS} tokens may be live")
    return tuple(check_token(source, token) for token in found)


def own_token(directory: Path) -> tuple[str, Path]:
    """Return the token of this machine's state directory and its path, making one at first use.

    Raises:
        StateError: it cannot be kept there.
        WrongUse: what is there is no token.
    """
    from tailscale_sdk.changes.state_directory import StateDirectory

    path = directory / _FOLDER / _FILE
    with StateDirectory(directory).locked(_FOLDER) as folder:
        if folder.read(_FILE) is None:
            folder.write(_FILE, f"{secrets.token_urlsafe(_GENERATED_BYTES)}\n".encode())
    source = "the token of the state directory"
    return read_tokens(source, read_private(source, path))[0], path


@frozen
class _Known:
    digest: bytes
    name: str


class StaticTokens(TokenVerifier):
    """Recognise a few tokens by their hashes; the tokens themselves are not kept.

    Args:
        tokens: live tokens; whoever holds one has every scope.
    """

    def __init__(self, tokens: Iterable[str]) -> None:
        super().__init__()
        self._known: Sequence[_Known] = tuple(
            _Known(digest, f"token:{digest.hex()[:NAME_CHARACTERS]}")
            for digest in (_digest(token) for token in tokens)
        )

    async def verify_token(self, token: str) -> AccessToken | None:
        """Return who holds a token; every known one is compared, whether or not an earlier one matched."""
        digest = _digest(token)
        name = None
        for known in self._known:
            if hmac.compare_digest(known.digest, digest):
                name = known.name
        if name is None:
            return None
        return AccessToken(token="", client_id=name, scopes=list(SCOPES), subject=name)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
