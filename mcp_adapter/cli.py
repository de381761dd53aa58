"""The ``tailscale-mcp`` command: flags, credentials, then the server on stdin and stdout."""

from __future__ import annotations

import argparse
import contextlib
import gc
import logging
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

from mcp_adapter.runtime import CLIENT_TIMEOUT_SECONDS, ClientFactory
from mcp_adapter.safety import EVERY, Exposure, ExposureError

WRONG_USE = 2
INTERRUPTED = 130

_CREDENTIALS = (
    "TAILSCALE_API_KEY",
    "TAILSCALE_OAUTH_CLIENT_ID",
    "TAILSCALE_OAUTH_CLIENT_SECRET",
    "TAILSCALE_IDENTITY_TOKEN",
)
# Set before FastMCP is imported: no log set-up of its own, no question to the package index, no file of the folder.
_LIBRARY_SETTINGS = {
    "FASTMCP_LOG_ENABLED": "false",
    "FASTMCP_CHECK_FOR_UPDATES": "off",
    "FASTMCP_SHOW_SERVER_BANNER": "false",
    "FASTMCP_ENV_FILE": os.devnull,
}
_LATER = (
    "--allow-delete",
    "--surface",
    "--scopes",
    "--confirm-fallback",
    "--reveal-secrets",
    "--transport",
    "--prefix",
)
_LATER_COMMANDS = ("doctor",)
_TIERS = ("read", "write", "delete")


class WrongUse(Exception):
    """Say in one line what is wrong with the command or its environment."""


class _Parser(argparse.ArgumentParser):
    """Report wrong use in one line."""

    def error(self, message: str) -> NoReturn:
        raise WrongUse(f"{message} (see tailscale-mcp --help)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="tailscale-mcp",
        description="Serve the Tailscale API to an MCP client over stdin and stdout. Read-only unless allowed.",
        epilog="Credentials come from TAILSCALE_API_KEY, TAILSCALE_OAUTH_CLIENT_ID with TAILSCALE_OAUTH_CLIENT_SECRET, "
        "or TAILSCALE_IDENTITY_TOKEN with TAILSCALE_OAUTH_CLIENT_ID; each may be file:PATH.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--demo", action="store_true", help="serve an embedded tailnet; no credential is read"
    )
    parser.add_argument(
        "--allow-write",
        nargs="?",
        const="*",
        metavar="DOMAINS",
        help="allow changes, in the named domains only when given (TAILSCALE_MCP_ALLOW_WRITE)",
    )
    parser.add_argument(
        "--read-only", action="store_true", help="no changes, whatever else says (TAILSCALE_MCP_READ_ONLY)"
    )
    parser.add_argument(
        "--toolsets", metavar="DOMAINS", help="serve these domains only (TAILSCALE_MCP_TOOLSETS)"
    )
    parser.add_argument(
        "--exclude", metavar="DOMAINS", help="leave these domains out (TAILSCALE_MCP_EXCLUDE)"
    )
    parser.add_argument(
        "--profile", metavar="NAME", help="a profile of tailscale-sdk/config.toml (TAILSCALE_PROFILE)"
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    return parser


def _refuse_later(arguments: Sequence[str]) -> None:
    for argument in arguments:
        name = argument.split("=")[0]
        if name in _LATER or name in _LATER_COMMANDS:
            raise WrongUse(f"{name} is not available in this version")


def _names(text: str | None) -> frozenset[str]:
    return frozenset(name.strip() for name in (text or "").split(",") if name.strip())


def _is_on(text: str | None) -> bool:
    return (text or "").strip().lower() in {"1", "true", "yes", "on", "*"}


def read_exposure(options: argparse.Namespace, environ: Mapping[str, str]) -> Exposure:
    """Join flags and environment; a flag wins over its variable, read-only wins over everything.

    Args:
        options: parsed flags.
        environ: the environment, empty for the demo.
    """
    write = (
        options.allow_write
        if options.allow_write is not None
        else environ.get("TAILSCALE_MCP_ALLOW_WRITE", "")
    )
    toolsets = options.toolsets if options.toolsets is not None else environ.get("TAILSCALE_MCP_TOOLSETS")
    exclude = options.exclude if options.exclude is not None else environ.get("TAILSCALE_MCP_EXCLUDE")
    return Exposure(
        toolsets=_names(toolsets) or None,
        exclude=_names(exclude),
        write=EVERY if _is_on(write) else _names(write) - {"0", "false", "no", "off"},
        read_only=options.read_only or _is_on(environ.get("TAILSCALE_MCP_READ_ONLY")),
    )


def tighten(exposure: Exposure, name: str, profile: Mapping[str, Any]) -> Exposure:
    """Apply what a profile allows; it can only take away.

    Raises:
        WrongUse: the profile says something this version cannot keep.
    """
    tier, toolsets = profile.get("tier", "delete"), profile.get("toolsets")
    if tier not in _TIERS:
        raise WrongUse(f"profile {name!r}: tier is one of {', '.join(_TIERS)}")
    allowed = exposure.toolsets
    if toolsets is not None:
        listed = _names(toolsets) if isinstance(toolsets, str) else frozenset(map(str, toolsets))
        allowed = listed if allowed is None else allowed & listed
    read_only = exposure.read_only or tier == "read"
    if profile.get("protected") and exposure.write and not read_only:
        raise WrongUse(
            f"profile {name!r}: protected is not available in this version; start without --allow-write"
        )
    return Exposure(toolsets=allowed, exclude=exposure.exclude, write=exposure.write, read_only=read_only)


@contextlib.contextmanager
def _demo() -> Iterator[ClientFactory]:
    """Run an embedded tailnet and make clients of it."""
    from tailscale_sdk.testing import FakeTailnet

    with FakeTailnet() as tailnet:

        def make() -> Any:
            from tailscale_sdk import AsyncTailscale

            return AsyncTailscale(
                api_key=tailnet.api_key, base_url=tailnet.base_url, timeout=CLIENT_TIMEOUT_SECONDS
            )

        yield make


@contextlib.contextmanager
def _configured(profile: str | None) -> Iterator[ClientFactory]:
    """Read the credential now, so that a missing one is said at once; the client is made at the first call."""
    from tailscale_sdk.config import from_environment

    found = from_environment(profile=profile)
    for name in _CREDENTIALS:
        os.environ.pop(name, None)

    def make() -> Any:
        from tailscale_sdk import AsyncTailscale

        return AsyncTailscale(
            auth=found.credential,
            tailnet=found.tailnet,
            base_url=found.base_url,
            timeout=CLIENT_TIMEOUT_SECONDS,
        )

    yield make


def _guard_process() -> None:
    """Keep secrets out of logs and core files, and every log line off stdout."""
    from tailscale_sdk.redact import RedactingFilter

    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(logging.WARNING)
    handler.addFilter(RedactingFilter())
    handler.setFormatter(logging.Formatter("tailscale-mcp: %(levelname)s %(name)s: %(message)s"))
    for name in ("mcp_adapter", "tailscale_sdk", "fastmcp", "mcp", "uvicorn"):
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.propagate = False
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _leave(number: int, frame: object) -> NoReturn:
    """End at once on Ctrl-C: the thread that waits for stdin cannot be woken, so waiting for it would hang."""
    os._exit(INTERRUPTED)


def _serve(options: argparse.Namespace) -> None:
    environ: Mapping[str, str] = {} if options.demo else os.environ
    if options.demo and options.profile:
        raise WrongUse("--demo reads no profile: leave --profile out")
    exposure = read_exposure(options, environ)
    profile = options.profile or environ.get("TAILSCALE_PROFILE") or None
    if profile:
        from tailscale_sdk.config import read_profiles

        exposure = tighten(exposure, profile, read_profiles().get(profile, {}))
    with _demo() if options.demo else _configured(profile) as make_client:
        os.environ.update(_LIBRARY_SETTINGS)
        from mcp_adapter.server import build_server

        server = build_server(exposure, make_client)
        gc.freeze()
        gc.enable()
        signal.signal(signal.SIGINT, _leave)
        server.run("stdio", show_banner=False)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: arguments without the program's name, those of the process by default.

    Returns:
        Exit code: 0 when the client hung up, 2 for wrong use, 130 after Ctrl-C.
    """
    gc.disable()  # nothing made while importing is garbage; collecting costs a third of the start
    from tailscale_sdk.errors import ConfigurationError

    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        _refuse_later(arguments)
        options = _parser().parse_args(arguments)
        if options.version:
            from tailscale_sdk import __version__

            print(f"tailscale-mcp {__version__}")
            return 0
        _guard_process()
        _serve(options)
    except (WrongUse, ConfigurationError, ExposureError) as problem:
        sys.stderr.write(f"tailscale-mcp: {problem}\n")
        return WRONG_USE
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        gc.enable()
    return 0
