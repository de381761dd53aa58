"""Our server as a process of its own: the real command over HTTP, and the same with fixtures mounted."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scripts.judges.shim import running_shim

ROOT = Path(__file__).resolve().parent.parent.parent
BINARY = Path(sys.executable).parent / "tailscale-mcp"
OWN = (str(BINARY),)
WITH_FIXTURES = (sys.executable, "-m", "scripts.judges.fixtures")
EVERYTHING = ("--allow-write", "--allow-delete")
SESSIONS = "--with-sessions"
"""Of the fixtures: answer with event streams in sessions, which our own command never does."""

BROKEN = "--broken"
"""Of the fixtures: mount tools with schemas that must be found fault with."""

START_SECONDS = 60.0
STOP_SECONDS = 15.0
_POLL_SECONDS = 0.05
_SERVING = re.compile(r"serving (http://127\.0\.0\.1:(\d+)/mcp)")


@dataclass(frozen=True)
class Served:
    """Hold where a server answers.

    Attributes:
        url: of the server itself, which wants the token.
        open_url: of the proxy that adds the token.
        token: for the server itself.
    """

    url: str
    open_url: str
    token: str


def clean_environment() -> dict[str, str]:
    """Return the environment without anything that our command would read."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TAILSCALE_")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept


@contextmanager
def serving(
    command: Sequence[str], *flags: str, spoil: Mapping[bytes, bytes] | None = None
) -> Iterator[Served]:
    """Serve a demo tailnet over HTTP until the context ends.

    Args:
        command: that serves.
        flags: what is allowed.
        spoil: what the proxy replaces in answers.

    Raises:
        RuntimeError: it did not start, or ended by itself.
    """
    token = secrets.token_urlsafe(32)
    with running_shim(token, spoil or {}) as (shim, port), tempfile.TemporaryFile("w+") as log:
        # The judges speak to the proxy, and its name is what comes in their Host and Origin headers.
        names = [f"{name}:{port}" for name in ("127.0.0.1", "localhost")]
        addresses = ["--allowed-hosts", ",".join(names)]
        addresses += ["--allowed-origins", ",".join(f"http://{name}" for name in names)]
        limits = ["--rate", "1000", "--concurrency", "100"]
        process = subprocess.Popen(
            [*command, "--demo", "--transport", "http", "--port", "0", *limits, *addresses, *flags],
            cwd=ROOT,
            env={**clean_environment(), "TAILSCALE_MCP_TOKEN": token},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
        )
        try:
            url, shim.target = _wait(process, log.fileno())
            yield Served(url, f"http://127.0.0.1:{port}/mcp", token)
            if process.poll() is not None:
                raise RuntimeError(f"the server ended while it was judged:\n{_read(log.fileno())}")
        finally:
            spoken = _stop(process)
        if spoken:
            raise RuntimeError(f"the server wrote on stdout: {spoken[:500]!r}")


def _wait(process: subprocess.Popen[bytes], log: int) -> tuple[str, int]:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        found = _SERVING.search(_read(log))
        if found:
            return found[1], int(found[2])
        time.sleep(_POLL_SECONDS)
    raise RuntimeError(f"the server did not start within {START_SECONDS:g} s:\n{_read(log)}")


def _read(log: int) -> str:
    return os.pread(log, 1_000_000, 0).decode(errors="replace")


def _stop(process: subprocess.Popen[bytes]) -> bytes:
    process.terminate()
    try:
        return process.communicate(timeout=STOP_SECONDS)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[0]
