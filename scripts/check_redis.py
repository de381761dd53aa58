"""Run every redis_checks.py against a real Redis on loopback; where none can be had, say so loudly."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHECKS = ("tests/changes/redis_checks.py", "tests/mcp/http/redis_checks.py")
START_SECONDS = 10


def find_server() -> str | None:
    """Return the path of redis-server, installing it with apt-get where that works."""
    if shutil.which("redis-server") is None and shutil.which("apt-get") is not None:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["apt-get", "update"], ["apt-get", "install", "--yes", "redis-server"]):
            subprocess.run(command, env=environment, capture_output=True, check=False, timeout=300)
    return shutil.which("redis-server")


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    """Tell whether Redis answers on a port, waiting for it to start."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            time.sleep(0.05)
    return False


def main() -> int:
    """Return the exit code of the checks, or 0 with a loud line when there is no Redis."""
    server = find_server()
    if server is None:
        print(
            "SKIPPED LOUDLY: redis-server is not installed and could not be; plans in Redis were not checked"
        )
        return 0
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        options = [
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--dir",
            folder,
            "--save",
            "",
            "--appendonly",
            "no",
        ]
        process = subprocess.Popen([server, *options], stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
        try:
            if not answers(port):
                print(f"redis-server is there but does not answer on port {port}")
                return 1
            environment = {**os.environ, "CHECK_REDIS_URL": f"redis://127.0.0.1:{port}/0"}
            command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *CHECKS]
            return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
        finally:
            process.terminate()
            process.wait(timeout=START_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
