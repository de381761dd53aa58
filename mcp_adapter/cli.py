"""The ``tailscale-mcp`` command: flags, credentials, then the server."""

from __future__ import annotations

import argparse
import contextlib
import gc
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from attrs import evolve

from mcp_adapter.exposure import Exposure, ExposureError
from mcp_adapter.flags import (
    WrongUse,
    build_parser,
    choice,
    is_on,
    protected_of,
    read_exposure,
    refuse_http_flags,
    tighten,
)
from mcp_adapter.runtime import CLIENT_TIMEOUT_SECONDS, ClientFactory, Profile, Settings

if TYPE_CHECKING:
    from mcp_adapter.http_settings import HttpSettings

WRONG_USE = 2
INTERRUPTED = 130

CREDENTIAL_RATE = (5, 0.5)
"""Requests and seconds of one credential, as the SDK has it; replicas share it."""

_CREDENTIALS = (
    "TAILSCALE_API_KEY",
    "TAILSCALE_OAUTH_CLIENT_ID",
    "TAILSCALE_OAUTH_CLIENT_SECRET",
    "TAILSCALE_IDENTITY_TOKEN",
)
# Of callers over HTTP; without a flag of their own, so that a demo reads them as well.
_CALLERS = ("TAILSCALE_MCP_TOKEN", "TAILSCALE_MCP_STATE_KEYS")
_SECRETS = (*_CREDENTIALS, *_CALLERS, "TAILSCALE_MCP_PLAN_STORE")
# Set before FastMCP is imported: no log set-up of its own, no question to the package index, no file of the folder.
_LIBRARY_SETTINGS = {
    "FASTMCP_LOG_ENABLED": "false",
    "FASTMCP_CHECK_FOR_UPDATES": "off",
    "FASTMCP_SHOW_SERVER_BANNER": "false",
    "FASTMCP_ENV_FILE": os.devnull,
}


@contextlib.contextmanager
def _demo() -> Iterator[tuple[ClientFactory, Path]]:
    """Run an embedded tailnet, make clients of it, and keep its state in a folder that goes with it."""
    from tailscale_sdk.testing import FakeTailnet

    with FakeTailnet() as tailnet, tempfile.TemporaryDirectory(prefix="tailscale-mcp-demo-") as folder:

        def make() -> Any:
            from tailscale_sdk import AsyncTailscale

            return AsyncTailscale(
                api_key=tailnet.api_key, base_url=tailnet.base_url, timeout=CLIENT_TIMEOUT_SECONDS
            )

        yield make, Path(folder) / "state"


def _configured(name: str | None, replicas: int) -> ClientFactory:
    """Read a credential now, so that a missing one is said at once; the client is made at the first call."""
    from tailscale_sdk.config import from_environment

    found = from_environment(profile=name)
    requests, seconds = CREDENTIAL_RATE
    options: dict[str, Any] = {} if replicas == 1 else {"rate_limit": (requests, seconds * replicas)}

    def make() -> Any:
        from tailscale_sdk import AsyncTailscale

        return AsyncTailscale(
            auth=found.credential,
            tailnet=found.tailnet,
            base_url=found.base_url,
            timeout=CLIENT_TIMEOUT_SECONDS,
            **options,
        )

    return make


def _profiles(
    options: argparse.Namespace, environ: Mapping[str, str], exposure: Exposure, replicas: int
) -> tuple[Profile, ...]:
    """Return the tailnets of this start; the first is the default one."""
    chosen = options.profile or ([environ["TAILSCALE_PROFILE"]] if environ.get("TAILSCALE_PROFILE") else [])
    if len(set(chosen)) < len(chosen):
        raise WrongUse("--profile names the same profile twice")
    if not chosen:
        return (Profile("default", _configured(None, replicas), exposure),)
    from tailscale_sdk.config import read_profile

    found = []
    for name in chosen:
        profile = read_profile(name)
        found.append(
            Profile(
                name,
                _configured(name, replicas),
                tighten(exposure, name, profile),
                protected_of(name, profile),
            )
        )
    return tuple(found)


def _common(options: argparse.Namespace, environ: Mapping[str, str]) -> dict[str, Any]:
    return {
        "surface": choice(options, environ, "surface", ("portmanteau", "granular")) or "portmanteau",
        "confirm_fallback": choice(options, environ, "confirm_fallback", ("token", "deny")) or "token",
        "reveal_secrets": options.reveal_secrets or is_on(environ.get("TAILSCALE_MCP_REVEAL_SECRETS")),
    }


@contextlib.contextmanager
def settings_of(
    options: argparse.Namespace, environ: Mapping[str, str], *, replicas: int = 1
) -> Iterator[Settings]:
    """Turn flags and environment into settings, with the embedded tailnet running for a demo.

    Args:
        options: parsed flags.
        environ: the environment.
        replicas: servers that share the rate of one credential.

    Raises:
        WrongUse: flags or variables contradict each other.
        ConfigurationError: there is no usable credential.
    """
    if not options.demo:
        exposure = read_exposure(options, environ)
        profiles = _profiles(options, environ, exposure, replicas)
        yield Settings(profiles=profiles, **_common(options, environ))
        return
    if options.profile:
        raise WrongUse("--demo reads no profile: leave --profile out")
    exposure = read_exposure(options, {})
    with _demo() as (make_client, folder):

        def make_state() -> Any:
            from tailscale_sdk.changes import LocalState
            from tailscale_sdk.changes.state_directory import StateDirectory

            return LocalState(StateDirectory(folder))

        yield Settings(
            profiles=(Profile("demo", make_client, exposure),), make_state=make_state, **_common(options, {})
        )


def guard_process() -> None:
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


def _http_settings(options: argparse.Namespace, environ: Mapping[str, str]) -> HttpSettings | None:
    """Return what is decided for HTTP, None over stdio; what depends on the transport gets its default here."""
    read = {} if options.demo else environ
    transport = choice(options, read, "transport", ("stdio", "http")) or "stdio"
    scopes = choice(options, read, "scopes", ("filter", "explain"))
    options.scopes = scopes or ("filter" if transport == "http" else "explain")
    if transport == "stdio":
        refuse_http_flags(options)
        return None
    from mcp_adapter.http_flags import read_http

    if options.demo:
        read = {name: environ[name] for name in _CALLERS if name in environ}
    return read_http(options, read)


def _narrowed(options: argparse.Namespace, settings: Settings) -> Settings:
    """Leave out what the scopes do not allow, where that was asked for, and tell the operator."""
    if options.scopes != "filter":
        return settings
    from mcp_adapter.catalog import read_catalog
    from mcp_adapter.scopes import filter_by_scopes

    profiles, lines = filter_by_scopes(settings.profiles, read_catalog())
    for line in lines:
        sys.stderr.write(f"tailscale-mcp: {line}\n")
    return evolve(settings, profiles=profiles)


def _examine(options: argparse.Namespace) -> int:
    environ = dict(os.environ)
    os.environ.update(_LIBRARY_SETTINGS)
    http = _http_settings(options, environ)
    with settings_of(options, environ) as settings:
        from mcp_adapter.doctor import run

        return run(evolve(settings, over_http=http is not None), as_json=options.json)


def _serve(options: argparse.Namespace) -> None:
    if options.json:
        raise WrongUse("--json is for doctor")
    environ = dict(os.environ)
    os.environ.update(_LIBRARY_SETTINGS)
    http = _http_settings(options, environ)
    with contextlib.ExitStack() as stack:
        ready: Any = None
        if http is not None:
            from mcp_adapter.http import prepare

            ready = stack.enter_context(prepare(http))
        replicas = http.replicas if http is not None else 1
        settings = stack.enter_context(settings_of(options, environ, replicas=replicas))
        for name in _SECRETS:
            os.environ.pop(name, None)
        settings = _narrowed(options, settings)
        if ready is not None:
            from mcp_adapter.http import run_http

            gc.freeze()
            gc.enable()
            run_http(settings, ready)
            return
        from mcp_adapter.server import build_server

        server = build_server(settings)
        gc.freeze()
        gc.enable()
        signal.signal(signal.SIGINT, _leave)
        server.run("stdio", show_banner=False)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: arguments without the program's name, those of the process by default.

    Returns:
        Exit code: 0 when the client hung up or HTTP was stopped, 2 for wrong use, 130 after Ctrl-C.
    """
    gc.disable()  # nothing made while importing is garbage; collecting costs a third of the start
    from tailscale_sdk._printing import printed

    try:
        return printed(lambda: _run(sys.argv[1:] if argv is None else list(argv)))
    finally:
        gc.enable()


def _run(arguments: list[str]) -> int:
    from tailscale_sdk.errors import ConfigurationError

    try:
        options = build_parser().parse_args(arguments)
        if options.version:
            from tailscale_sdk import __version__

            print(f"tailscale-mcp {__version__}")
            return 0
        guard_process()
        if options.command == "doctor":
            return _examine(options)
        _serve(options)
    except (WrongUse, ConfigurationError, ExposureError) as problem:
        sys.stderr.write(f"tailscale-mcp: {problem}\n")
        return WRONG_USE
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0
