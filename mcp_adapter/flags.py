"""The flags of ``tailscale-mcp``, each with its variable, and what they come to."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any, NoReturn

from mcp_adapter.exposure import EVERY, Exposure

_TIERS = ("read", "write", "delete")
_ON = {"1", "true", "yes", "on", "*"}
_OFF = {"0", "false", "no", "off"}
HTTP_FLAGS = (
    *("host", "port", "token_file", "behind_proxy", "allowed_hosts", "allowed_origins", "public_url"),
    *("oauth_issuer", "oauth_audience", "oauth_jwks_url", "oauth_algorithm", "tls_cert", "tls_key"),
    *("group_readable_files", "rate", "concurrency", "replicas", "plan_store"),
)
"""Flags that say something over HTTP only."""


class WrongUse(Exception):
    """Say in one line what is wrong with the command or its environment."""


class Parser(argparse.ArgumentParser):
    """Report wrong use in one line."""

    def error(self, message: str) -> NoReturn:
        """Refuse the arguments."""
        raise WrongUse(f"{message} (see tailscale-mcp --help)")


def build_parser() -> argparse.ArgumentParser:
    """Describe the command."""
    parser = Parser(
        prog="tailscale-mcp",
        description="Serve the Tailscale API to an MCP client. Read-only unless allowed.",
        epilog="Credentials come from TAILSCALE_API_KEY, TAILSCALE_OAUTH_CLIENT_ID with TAILSCALE_OAUTH_CLIENT_SECRET, "
        "or TAILSCALE_IDENTITY_TOKEN with TAILSCALE_OAUTH_CLIENT_ID; each may be file:PATH.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "command",
        nargs="?",
        choices=("doctor",),
        help="doctor: say what the credential may do and what is served, by reading only",
    )
    parser.add_argument("--json", action="store_true", help="with doctor: print JSON")
    parser.add_argument("--version", action="store_true", help="print the version")
    _add_tailnet(parser)
    _add_exposure(parser)
    _add_safety(parser)
    _add_http(parser)
    return parser


def _add_tailnet(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("tailnet")
    group.add_argument("--demo", action="store_true", help="serve an embedded tailnet; no credential is read")
    group.add_argument(
        "--profile",
        metavar="NAME",
        action="append",
        help="a profile of tailscale-sdk/config.toml; several times for several tailnets (TAILSCALE_PROFILE)",
    )
    group.add_argument(
        "--scopes",
        choices=("filter", "explain"),
        help="leave out what the credential's scopes do not allow, or explain it when it is refused; "
        "filter over HTTP, explain over stdio unless given (TAILSCALE_MCP_SCOPES)",
    )


def _add_exposure(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is served")
    for effect, what in (("write", "reversible changes"), ("delete", "deletions and whole replacements")):
        group.add_argument(
            f"--allow-{effect}",
            nargs="?",
            const="*",
            metavar="DOMAINS",
            help=f"allow {what}, in the named domains only when given (TAILSCALE_MCP_ALLOW_{effect.upper()})",
        )
    group.add_argument(
        "--read-only", action="store_true", help="no changes, whatever else says (TAILSCALE_MCP_READ_ONLY)"
    )
    group.add_argument(
        "--toolsets", metavar="DOMAINS", help="serve these domains only (TAILSCALE_MCP_TOOLSETS)"
    )
    group.add_argument("--exclude", metavar="DOMAINS", help="leave these domains out (TAILSCALE_MCP_EXCLUDE)")
    group.add_argument(
        "--surface",
        choices=("portmanteau", "granular"),
        help="one tool per domain and effect, or one per operation (TAILSCALE_MCP_SURFACE)",
    )


def _add_safety(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("safety")
    group.add_argument(
        "--confirm-fallback",
        choices=("token", "deny"),
        help="for a client that cannot ask its user: a deletion needs the plan's id, or is denied "
        "(TAILSCALE_MCP_CONFIRM_FALLBACK)",
    )
    group.add_argument(
        "--reveal-secrets",
        action="store_true",
        help="a created secret may be shown when the call asks for it (TAILSCALE_MCP_REVEAL_SECRETS)",
    )


def _add_http(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--transport", choices=("stdio", "http"), help="stdio unless given (TAILSCALE_MCP_TRANSPORT)"
    )
    group = parser.add_argument_group(
        "http",
        "With --transport http, at /mcp. Callers always need a token. Flags have variables, "
        "such as TAILSCALE_MCP_ALLOWED_HOSTS for --allowed-hosts.",
    )
    group.add_argument("--host", metavar="ADDRESS", help="listen here; 127.0.0.1 unless given")
    group.add_argument("--port", metavar="N", help="8000 unless given; 0 takes a free one")
    group.add_argument(
        "--token-file",
        metavar="FILE",
        help="bearer tokens, one per line, mode 0600 (TAILSCALE_MCP_TOKEN, which may be file:PATH); "
        "without one, loopback uses a token made in the state directory",
    )
    group.add_argument("--allowed-hosts", metavar="HOSTS", help="Host headers that are served, exact")
    group.add_argument("--allowed-origins", metavar="ORIGINS", help="Origin headers that are served, exact")
    group.add_argument(
        "--behind-proxy",
        nargs="?",
        const="1",
        metavar="ADDRESSES",
        help="a proxy speaks TLS; forwarding headers of these peers are believed, of loopback unless given",
    )
    group.add_argument("--public-url", metavar="URL", help="origin under which clients reach this server")
    group.add_argument("--tls-cert", metavar="FILE", help="certificate chain")
    group.add_argument("--tls-key", metavar="FILE", help="its key, mode 0600")
    group.add_argument("--oauth-issuer", metavar="URL", help="accept tokens of this issuer")
    group.add_argument("--oauth-audience", metavar="NAME", help="only those made for this audience")
    group.add_argument("--oauth-jwks-url", metavar="URL", help="where the issuer's keys are, https")
    group.add_argument("--oauth-algorithm", metavar="NAME", help="signature algorithm; RS256 unless given")
    group.add_argument(
        "--group-readable-files",
        action="store_true",
        help="token and key files may be readable by their group",
    )
    group.add_argument("--rate", metavar="N", help="requests of one caller in a second")
    group.add_argument("--concurrency", metavar="N", help="requests of one caller worked on at once")
    group.add_argument(
        "--replicas",
        metavar="N",
        help="servers that share the credential; each sends its part of the rate "
        "(with TAILSCALE_MCP_STATE_KEYS and --plan-store)",
    )
    group.add_argument("--plan-store", metavar="URL", help="redis:// in which replicas share plans")


def names(text: str | None) -> frozenset[str]:
    """Read a comma list."""
    return frozenset(name.strip() for name in (text or "").split(",") if name.strip())


def is_on(text: str | None) -> bool:
    """Read a switch of the environment."""
    return (text or "").strip().lower() in _ON


def is_off(text: str | None) -> bool:
    """Read a switch of the environment that was turned off."""
    return (text or "").strip().lower() in _OFF


def given(options: argparse.Namespace, environ: Mapping[str, str], name: str) -> str | None:
    """Return a flag, else its variable, else None; an empty flag is a given one."""
    flag: str | None = getattr(options, name)
    return flag if flag is not None else environ.get(f"TAILSCALE_MCP_{name.upper()}", "").strip() or None


def listed(options: argparse.Namespace, environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Return a comma list, in the order given."""
    text = given(options, environ, name) or ""
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def refuse_http_flags(options: argparse.Namespace) -> None:
    """Refuse flags that say nothing over stdio.

    Raises:
        WrongUse: naming the first of them.
    """
    for name in HTTP_FLAGS:
        if getattr(options, name) not in (None, False):
            raise WrongUse(f"--{name.replace('_', '-')} needs --transport http")


def choice(
    options: argparse.Namespace, environ: Mapping[str, str], name: str, accepted: tuple[str, ...]
) -> str | None:
    """Return a flag, else its variable, else None.

    Raises:
        WrongUse: the variable holds something else.
    """
    given: str | None = getattr(options, name)
    variable = f"TAILSCALE_MCP_{name.upper()}"
    value = given if given is not None else environ.get(variable, "").strip() or None
    if value is not None and value not in accepted:
        raise WrongUse(f"{variable} must be one of {', '.join(accepted)}")
    return value


def read_exposure(options: argparse.Namespace, environ: Mapping[str, str]) -> Exposure:
    """Join flags and environment; a flag wins over its variable, read-only wins over everything.

    Args:
        options: parsed flags.
        environ: the environment, empty for the demo.
    """

    def given(flag: str | None, variable: str) -> str | None:
        return flag if flag is not None else environ.get(variable)

    return Exposure(
        toolsets=names(given(options.toolsets, "TAILSCALE_MCP_TOOLSETS")) or None,
        exclude=names(given(options.exclude, "TAILSCALE_MCP_EXCLUDE")),
        write=_domains(given(options.allow_write, "TAILSCALE_MCP_ALLOW_WRITE")),
        delete=_domains(given(options.allow_delete, "TAILSCALE_MCP_ALLOW_DELETE")),
        read_only=options.read_only or is_on(environ.get("TAILSCALE_MCP_READ_ONLY")),
    )


def _domains(text: str | None) -> frozenset[str]:
    return EVERY if is_on(text) else names(text) - _OFF


def tighten(exposure: Exposure, name: str, profile: Mapping[str, Any]) -> Exposure:
    """Apply what a profile allows; it can only take away.

    Raises:
        WrongUse: the profile names a tier there is none of.
    """
    tier, toolsets = profile.get("tier", "delete"), profile.get("toolsets")
    if tier not in _TIERS:
        raise WrongUse(f"profile {name!r}: tier is one of {', '.join(_TIERS)}")
    allowed = exposure.toolsets
    if toolsets is not None:
        listed = names(toolsets) if isinstance(toolsets, str) else frozenset(map(str, toolsets))
        allowed = listed if allowed is None else allowed & listed
    return Exposure(
        toolsets=allowed,
        exclude=exposure.exclude,
        write=exposure.write if tier != "read" else frozenset(),
        delete=exposure.delete if tier == "delete" else frozenset(),
        read_only=exposure.read_only or tier == "read",
        granted=exposure.granted,
    )


def protected_of(name: str, profile: Mapping[str, Any]) -> frozenset[str]:
    """Return what a profile protects.

    Raises:
        WrongUse: it is not a list of names.
    """
    from tailscale_sdk.config import protected_names
    from tailscale_sdk.errors import ConfigurationError

    try:
        return protected_names(name, profile)
    except ConfigurationError as problem:
        raise WrongUse(str(problem)) from None
