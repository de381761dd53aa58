"""Settings that stand in files of their own: ``file:PATH``, judged by the modes of what was opened."""

from __future__ import annotations

import os
import stat
import warnings
from pathlib import Path

from tailscale_sdk._constants import CREDENTIAL_FILE_CAP_BYTES
from tailscale_sdk.errors import ConfigurationError

PREFIX = "file:"


def read_value(name: str, value: str) -> str:
    """Return a setting, reading it from a file when it is ``file:PATH``.

    Args:
        name: the variable, key or argument, for the error text.
        value: the value itself, or ``file:PATH``.

    Raises:
        ConfigurationError: the value is not text, or the file is missing, empty, or writable by others.
    """
    if not isinstance(value, str):
        raise ConfigurationError(f"{name} must be text")
    if not value.startswith(PREFIX):
        return value
    path = Path(value.removeprefix(PREFIX)).expanduser()
    text = read_private_file(name, path).strip()
    if not text:
        raise ConfigurationError(f"{name}: {path} is empty")
    return text


def read_private_file(name: str, path: Path) -> str:
    """Read a file that holds a credential.

    Args:
        name: what the file is for, for the error text.
        path: the file; a symbolic link is followed, as mounted secrets need it.

    Raises:
        ConfigurationError: the file is missing, too large or not text, or others may write it.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(CREDENTIAL_FILE_CAP_BYTES + 1)
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or "this is no path"
        raise ConfigurationError(f"{name}: {path} cannot be read ({reason})") from None
    _check_mode(name, path, mode)
    if len(data) > CREDENTIAL_FILE_CAP_BYTES:
        raise ConfigurationError(
            f"{name}: {path} is larger than {CREDENTIAL_FILE_CAP_BYTES} bytes: is it the right file?"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigurationError(f"{name}: {path} is not UTF-8 text") from None


def _check_mode(name: str, path: Path, mode: int) -> None:
    if os.name != "posix":
        warnings.warn(f"{name}: who may read {path} cannot be checked on this system", stacklevel=4)
    elif mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigurationError(f"{name}: {path} may be written by others; run chmod 600 {path}")
    elif mode & (stat.S_IRGRP | stat.S_IROTH):
        warnings.warn(f"{name}: {path} may be read by others; run chmod 600 {path}", stacklevel=4)
