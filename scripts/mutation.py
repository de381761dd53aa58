"""Break the pure decisions about retries, limits and decoding one by one, and see that a test notices each.

mutmut works on a copy of the checkout in a temporary folder; its settings are in pyproject.toml. Arguments are names
of mutants, or patterns of them; without any, everything is tried.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
FLOOR = 85.0
WORKERS = 2
MEMORY_BYTES = 4 * 1024**3
COPIED = ("pyproject.toml", "tailscale_sdk", "tests")
# Of this file the pure part alone is judged: the rest waits for threads and event loops.
PARTS = {"tailscale_sdk/transport/limits.py": ("bulk_slots", "LeakyBucket")}
# Exit codes noted by mutmut for a mutant no test failed on, and for one that no test reaches.
UNNOTICED = frozenset({0, 5, 33, 34})


def main() -> int:
    """Run mutmut; return 1 when too many mutants of a file survive, 2 when it did not run."""
    settings = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["mutmut"]
    files: list[str] = settings["only_mutate"]
    names = sys.argv[1:] or [pattern for file in files for pattern in _patterns(file)]
    with tempfile.TemporaryDirectory() as folder:
        for name in COPIED:
            copy = shutil.copytree if (CHECKOUT / name).is_dir() else shutil.copyfile
            copy(CHECKOUT / name, Path(folder) / name)
        said = _run_mutmut(folder, names)
        tried = {file: _read_codes(Path(folder, "mutants", f"{file}.meta")) for file in files}
    if not any(tried.values()):
        print(said[-3000:])
        return 2
    return _report({file: codes for file, codes in tried.items() if codes})


def _patterns(file: str) -> list[str]:
    module = file.removesuffix(".py").replace("/", ".")
    return [f"{module}.x*{part}*" for part in PARTS[file]] if file in PARTS else [f"{module}.*"]


def _run_mutmut(folder: str, names: list[str]) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TAILSCALE_")}
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", str(WORKERS), *names]
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        check=False,
        preexec_fn=_bound_memory,
        text=True,
        errors="replace",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    return done.stdout


def _bound_memory() -> None:
    """Let a mutant that collects without end fail by itself, before the machine runs out of memory."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def _read_codes(results: Path) -> dict[str, int]:
    """Return the exit code of every mutant that was tried."""
    if not results.is_file():
        return {}
    codes = json.loads(results.read_text())["exit_code_by_key"]
    return {name: code for name, code in codes.items() if code is not None}


def _report(tried: dict[str, dict[str, int]]) -> int:
    survivors = {file: [name for name in codes if codes[name] in UNNOTICED] for file, codes in tried.items()}
    shares = {}
    for file, codes in tried.items():
        killed = len(codes) - len(survivors[file])
        shares[file] = 100 * killed / len(codes)
        print(f"{file:40} {killed:4} killed {len(survivors[file]):4} survived {shares[file]:6.1f} %")
    for name in (name for names in survivors.values() for name in names):
        print(f"  survived: {name}")
    low = [file for file, share in shares.items() if share < FLOOR]
    if low:
        print(f"under {FLOOR:g} %: {', '.join(low)}")
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main())
