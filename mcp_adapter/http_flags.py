"""Flags and environment of HTTP, and every reason not to start like that."""

from __future__ import annotations

import argparse
import ipaddress
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from mcp_adapter.flags import WrongUse, given, is_off, is_on, listed
from mcp_adapter.http_settings import HttpSettings
from mcp_adapter.limits import DEFAULT_CONCURRENCY, DEFAULT_RATE
from mcp_adapter.oauth import ALGORITHMS, OAuthSettings, check_https
from mcp_adapter.origins import LOOPBACK_NAMES
from mcp_adapter.tokens import MAX_TOKENS, check_token, read_private, read_tokens

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8000
TOKEN, STATE_KEYS = "TAILSCALE_MCP_TOKEN", "TAILSCALE_MCP_STATE_KEYS"
_KEY_BYTES = 32
_MAX_REPLICAS = 100
_FILE = "file:"


def read_http(options: argparse.Namespace, environ: Mapping[str, str]) -> HttpSettings:
    """Join flags and environment; a flag wins over its variable.

    Args:
        options: parsed flags.
        environ: the environment; of a demo, what has no flag.

    Raises:
        WrongUse: they contradict each other, or would expose the server.
    """
    host = given(options, environ, "host") or DEFAULT_HOST
    port = _number(options, environ, "port", DEFAULT_PORT, 0, 65535)
    group_may_read = options.group_readable_files or is_on(environ.get("TAILSCALE_MCP_GROUP_READABLE_FILES"))
    oauth = _oauth(options, environ)
    tokens = _tokens(options, environ, group_may_read=group_may_read)
    if oauth is not None and tokens is not None:
        raise WrongUse(f"--oauth-issuer and --token-file (or {TOKEN}) exclude each other: choose one")
    sockets = _sockets(host)
    loopback = all(ipaddress.ip_address(address.partition("%")[0]).is_loopback for _, address in sockets)
    public_url = given(options, environ, "public_url")
    found = HttpSettings(
        host=host,
        port=int(port),
        sockets=sockets,
        names=listed(options, environ, "allowed_hosts"),
        origins=listed(options, environ, "allowed_origins"),
        loopback=_loopback_names(host) if loopback else (),
        tokens=tokens,
        oauth=oauth,
        public_url=_origin_of(public_url) if public_url is not None else None,
        certificate=_certificate(options, environ, group_may_read=group_may_read),
        proxies=_proxies(options, environ),
        rate=_number(options, environ, "rate", DEFAULT_RATE, 0.1, 100_000),
        concurrency=int(_number(options, environ, "concurrency", DEFAULT_CONCURRENCY, 1, 10_000)),
        replicas=int(_number(options, environ, "replicas", 1, 1, _MAX_REPLICAS)),
        plan_store=_plan_store(options, environ, group_may_read=group_may_read),
        state_keys=_state_keys(environ, group_may_read=group_may_read),
    )
    found.addresses(found.port)
    _check_exposed(found, loopback=loopback)
    _check_replicas(found)
    return found


def _check_exposed(found: HttpSettings, *, loopback: bool) -> None:
    if loopback:
        return
    missing = []
    if found.tokens is None and found.oauth is None:
        missing.append("--token-file or --oauth-issuer")
    if not found.names:
        missing.append("--allowed-hosts")
    if found.certificate is None and found.proxies is None:
        missing.append("--tls-cert with --tls-key (or --behind-proxy)")
    if missing:
        raise WrongUse(f"--host {found.host} can be reached from elsewhere: add {', '.join(missing)}")


def _check_replicas(found: HttpSettings) -> None:
    if found.replicas > 1 and found.plan_store is None:
        raise WrongUse("--replicas needs --plan-store: a plan made by one is carried out by another")
    if found.replicas > 1 and not found.state_keys:
        raise WrongUse(f"--replicas needs {STATE_KEYS}: the same keys for all of them")


def _sockets(host: str) -> tuple[tuple[socket.AddressFamily, str], ...]:
    try:
        found = socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise WrongUse("--host is neither an address of this machine nor a name that leads to one") from None
    return tuple(dict.fromkeys((family, str(address[0])) for family, _, _, _, address in found))


def _loopback_names(host: str) -> tuple[str, ...]:
    name = host.strip("[]").lower()
    name = f"[{name}]" if ":" in name else name
    return tuple(dict.fromkeys((*LOOPBACK_NAMES, name)))


def _number(
    options: argparse.Namespace,
    environ: Mapping[str, str],
    name: str,
    default: float,
    low: float,
    high: float,
) -> float:
    text = given(options, environ, name)
    if text is None:
        return default
    try:
        value = float(text) if isinstance(default, float) else int(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise WrongUse(f"--{name} is a number from {low:g} to {high:g}")
    return value


def _oauth(options: argparse.Namespace, environ: Mapping[str, str]) -> OAuthSettings | None:
    names = ("oauth_issuer", "oauth_audience", "oauth_jwks_url")
    values = {name: given(options, environ, name) for name in names}
    algorithm = given(options, environ, "oauth_algorithm")
    if all(value is None for value in (*values.values(), algorithm)):
        return None
    for name, value in values.items():
        if not value:
            raise WrongUse(
                f"--{name.replace('_', '-')} is missing or empty: issuer, audience and keys are mandatory"
            )
    if algorithm is not None and algorithm not in ALGORITHMS:
        raise WrongUse(f"--oauth-algorithm is one of {', '.join(ALGORITHMS)}")
    return OAuthSettings(
        issuer=check_https("--oauth-issuer", str(values["oauth_issuer"])),
        audience=str(values["oauth_audience"]),
        jwks_url=check_https("--oauth-jwks-url", str(values["oauth_jwks_url"])),
        algorithm=algorithm or ALGORITHMS[0],
    )


def _tokens(
    options: argparse.Namespace, environ: Mapping[str, str], *, group_may_read: bool
) -> tuple[str, ...] | None:
    path, value = options.token_file, environ.get(TOKEN, "").strip()
    if path is not None:
        text = read_private("--token-file", Path(path).expanduser(), group_may_read=group_may_read)
        return read_tokens("--token-file", text)
    if value.startswith(_FILE):
        text = read_private(
            TOKEN, Path(value.removeprefix(_FILE)).expanduser(), group_may_read=group_may_read
        )
        return read_tokens(TOKEN, text)
    return (check_token(TOKEN, value),) if value else None


def _secret(name: str, value: str, *, group_may_read: bool) -> str:
    """Return a setting that may stand in a file."""
    if not value.startswith(_FILE):
        return value
    return read_private(
        name, Path(value.removeprefix(_FILE)).expanduser(), group_may_read=group_may_read
    ).strip()


def _state_keys(environ: Mapping[str, str], *, group_may_read: bool) -> tuple[str, ...]:
    text = _secret(STATE_KEYS, environ.get(STATE_KEYS, "").strip(), group_may_read=group_may_read)
    keys = tuple(dict.fromkeys(key.strip() for key in text.replace("\n", ",").split(",") if key.strip()))
    if any(len(key.encode()) < _KEY_BYTES for key in keys) or len(keys) > MAX_TOKENS:
        raise WrongUse(
            f"{STATE_KEYS} is one key or a few, the current one first, separated by commas, each of at least "
            f"{_KEY_BYTES} characters, such as 'openssl rand -hex 32' makes"
        )
    return keys


def _plan_store(
    options: argparse.Namespace, environ: Mapping[str, str], *, group_may_read: bool
) -> str | None:
    if options.plan_store is not None and (urlsplit(options.plan_store).password or "") != "":
        raise WrongUse(
            "--plan-store shows its password to every user of the machine: use TAILSCALE_MCP_PLAN_STORE"
        )
    url = given(options, environ, "plan_store")
    return _secret("--plan-store", url, group_may_read=group_may_read) if url else None


def _certificate(
    options: argparse.Namespace, environ: Mapping[str, str], *, group_may_read: bool
) -> tuple[Path, Path] | None:
    certificate, key = given(options, environ, "tls_cert"), given(options, environ, "tls_key")
    if certificate is None and key is None:
        return None
    for flag, value in (("--tls-cert", certificate), ("--tls-key", key)):
        if not value:
            raise WrongUse(f"{flag} is missing: certificate and key belong together")
    path = Path(str(key)).expanduser()
    read_private("--tls-key", path, group_may_read=group_may_read)
    return Path(str(certificate)).expanduser(), path


def _proxies(options: argparse.Namespace, environ: Mapping[str, str]) -> tuple[str, ...] | None:
    text = given(options, environ, "behind_proxy")
    if text is None or is_off(text):
        return None
    if is_on(text):
        return ("127.0.0.1", "::1")
    found: Sequence[str] = [part.strip() for part in text.split(",") if part.strip()]
    try:
        networks = [ipaddress.ip_network(part, strict=False) for part in found]
    except ValueError:
        raise WrongUse("--behind-proxy lists addresses or networks of proxies, such as 10.0.0.0/24") from None
    if not networks or any(network.prefixlen == 0 for network in networks):
        raise WrongUse("--behind-proxy must not believe everybody: name the proxies")
    return tuple(found)


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path.strip("/") or parts.query:
        raise WrongUse("--public-url is scheme, host and port, such as https://mcp.example.com")
    return f"{parts.scheme}://{parts.netloc}"
