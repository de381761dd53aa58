"""Write files that others cannot read, in one step."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tailscale_sdk.errors import ConfigurationError


def write_private(path: str | Path, text: str) -> None:
    """Replace a file, mode 0600; a reader sees the old one or the new one, never half of it.

    Args:
        path: file to write.
        text: its content.

    Raises:
        ConfigurationError: it cannot be written.
    """
    target = Path(path)
    try:
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as problem:
        raise ConfigurationError(f"{target} cannot be written ({problem.strerror})") from None
