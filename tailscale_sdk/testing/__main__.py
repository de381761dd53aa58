"""``python -m tailscale_sdk.testing``: serve an embedded tailnet until interrupted."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections.abc import Sequence

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.testing import DEFAULT_DEVICES, DEFAULT_SEED

WRONG_USE = 2
PORT_MAX = 65535


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tailscale_sdk.testing",
        description="Serve an embedded tailnet on loopback and print its address and API key as one JSON line.",
    )
    parser.add_argument("--port", type=_port, default=0, help="port on 127.0.0.1; 0 takes any free one")
    parser.add_argument(
        "--devices",
        type=_count,
        default=DEFAULT_DEVICES,
        help=f"size of the fleet, default {DEFAULT_DEVICES}",
    )
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="same seed, same bytes")
    parser.add_argument("--tailnet-file", metavar="FILE", help="serve the tailnet of a snapshot file")
    parser.add_argument("--plain", action="store_true", help="no resend limits, strict conformance")
    parser.add_argument("--faults", metavar="FILE", help="play the faults of a fault file")
    return parser


def _port(text: str) -> int:
    value = _count(text)
    if value > PORT_MAX:
        raise argparse.ArgumentTypeError(f"must be at most {PORT_MAX}")
    return value


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError("must be a whole number of at least 0")
    return int(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGINT or SIGTERM; return the exit code."""
    options = build_parser().parse_args(arguments)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    from tailscale_sdk.testing.server import FakeTailnet  # after the handlers: loading takes a moment

    try:
        tailnet = FakeTailnet(
            devices=options.devices,
            seed=options.seed,
            snapshot=options.tailnet_file,
            plain=options.plain,
            port=options.port,
            faults=options.faults,
        ).start()
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return WRONG_USE
    with tailnet:
        print(json.dumps({"base_url": tailnet.base_url, "api_key": tailnet.api_key}), flush=True)
        _wait(stopped)
    return 0


def _wait(stopped: threading.Event) -> None:
    """Wait in slices, so that signals are noticed on every platform."""
    while not stopped.wait(0.5):
        continue


if __name__ == "__main__":
    raise SystemExit(main())
