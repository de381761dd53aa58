"""Run the test suite as `make test` does: no ordinary credential in sight, coverage held to its floor."""

from __future__ import annotations

import os
import subprocess
import sys

COVERAGE_FLOOR = 95


def main() -> int:
    """Run pytest and return its exit code."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TAILSCALE_")}
    environment["PYTHONDONTWRITEBYTECODE"] = ""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--numprocesses=2",
        "--dist=worksteal",
        "--quiet",
        "--cov",
        "--cov-report=term",
        f"--cov-fail-under={COVERAGE_FLOOR}",
        *sys.argv[1:],
    ]
    return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
