"""Run pyright over tests/typing; where npm cannot deliver it, say so loudly instead of passing silently."""

from __future__ import annotations

import subprocess
import sys


def main() -> int:
    """Return pyright's exit code, or 0 with a loud line when it cannot be had."""
    probe = subprocess.run(
        [sys.executable, "-m", "pyright", "--version"],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if probe.returncode != 0:
        print("SKIPPED LOUDLY: pyright could not be fetched from npm; tests/typing was checked by mypy only")
        print(probe.stderr[-500:])
        return subprocess.run([sys.executable, "-m", "mypy", "tests/typing"], check=False).returncode
    mypy = subprocess.run([sys.executable, "-m", "mypy", "tests/typing"], check=False).returncode
    pyright = subprocess.run([sys.executable, "-m", "pyright", "tests/typing"], check=False).returncode
    return mypy or pyright


if __name__ == "__main__":
    sys.exit(main())
