"""Where settings come from: arguments, environment, files and named profiles; and what they may be."""

from __future__ import annotations

import math
import os
import stat
import tomllib
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from attrs import field, frozen

from tailscale_sdk import _constants as defaults
from tailscale_sdk.auth import ApiKey, Credential, OAuthClient, WorkloadIdentity
from tailscale_sdk.errors import ConfigurationError

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_PROFILE_KEYS = {
    "tailnet",
    "base_url",
    "api_key",
    "auth",
    "client_id",
    "client_secret",
    "identity_token",
    "scopes",
    "tier",
    "toolsets",
    "protected",
}


def build_base_url(value: str) -> str:
    """Check an origin: https, or http on loopback; nothing but scheme, host and port.

    Raises:
        ConfigurationError: it is anything else.
    """
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ConfigurationError(
            "base_url is not a URL: give an origin such as https://api.tailscale.com"
        ) from None
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError("base_url must not hold a user name or password")
    if (
        parts.query
        or parts.fragment
        or parts.path not in {"", "/"}
        or not host
        or not value.isascii()
        or " " in value
    ):
        raise ConfigurationError(
            "base_url is an origin only, such as https://api.tailscale.com: no path, query or fragment"
        )
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOOPBACK):
        raise ConfigurationError("base_url must be https; plain http is for loopback only")
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (f":{port}" if port is not None else "")


def build_timeout(value: float) -> float:
    """Check a total deadline in seconds."""
    return _number("timeout", value, 0.001, defaults.MAX_TIMEOUT_SECONDS)


def build_max_retries(value: int) -> int:
    """Check a number of retries."""
    return _count("max_retries", value, 0, defaults.RETRIES_LIMIT)


def build_max_concurrency(value: int) -> int:
    """Check how many requests may be under way at once."""
    return _count("max_concurrency", value, 1, defaults.CONCURRENCY_LIMIT)


def build_rate_limit(value: tuple[int, float] | None) -> tuple[int, float] | None:
    """Check a rate limit of (requests, seconds); None switches it off."""
    if value is None:
        return None
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise ConfigurationError("rate_limit is (requests, seconds), such as (5, 0.5), or None")
    return (
        _count("rate_limit requests", value[0], 1, 10_000),
        _number("rate_limit seconds", value[1], 0.001, 3600.0),
    )


def build_tailnet(value: str) -> str:
    """Check a tailnet id or name."""
    if not isinstance(value, str) or not value or value in {".", ".."} or not value.isprintable():
        raise ConfigurationError(
            "tailnet is an id such as T1234CNTRL, a name such as example.com, or - for the credential's own"
        )
    return value


def _number(name: str, value: float, low: float, high: float) -> float:
    valid = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not valid or not low <= value <= high:
        raise ConfigurationError(
            f"{name} is {value!r}; it must be a number of seconds from {low:g} to {high:g}"
        )
    return float(value)


def _count(name: str, value: int, low: int, high: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ConfigurationError(f"{name} is {value!r}; it must be a whole number from {low} to {high}")
    return value


@frozen(kw_only=True)
class Configuration:
    """Hold the checked settings of a client; each attribute is a keyword of the client."""

    credential: Credential
    tailnet: str = field(default=defaults.DEFAULT_TAILNET, converter=build_tailnet)
    base_url: str = field(default=defaults.DEFAULT_BASE_URL, converter=build_base_url)


def from_environment(
    environ: Mapping[str, str] | None = None, profile: str | None = None, **arguments: Any
) -> Configuration:
    """Read credential, tailnet and origin from the environment or a named profile; arguments win.

    Args:
        environ: the environment, that of the process by default.
        profile: name of a profile; ``TAILSCALE_PROFILE`` when left out.
        arguments: ``api_key``, ``auth``, ``tailnet``, ``base_url`` as given to the client.

    Raises:
        ConfigurationError: a setting is missing, contradictory or unreadable; the text names it.
    """
    variables = os.environ if environ is None else environ
    chosen = profile or variables.get("TAILSCALE_PROFILE") or None
    settings = _read_profile(chosen) if chosen else _from_variables(variables)
    if arguments.get("api_key") is not None or arguments.get("auth") is not None:
        from tailscale_sdk.auth import credential_from

        credential = credential_from(arguments.get("api_key"), arguments.get("auth"))
    else:
        credential = _credential(settings, f"profile {chosen!r}" if chosen else None)
    tailnet = arguments.get("tailnet") or settings.get("tailnet") or defaults.DEFAULT_TAILNET
    base_url = arguments.get("base_url") or settings.get("base_url") or defaults.DEFAULT_BASE_URL
    return Configuration(credential=credential, tailnet=tailnet, base_url=base_url)


def _from_variables(variables: Mapping[str, str]) -> dict[str, Any]:
    names = {
        "api_key": "TAILSCALE_API_KEY",
        "client_id": "TAILSCALE_OAUTH_CLIENT_ID",
        "client_secret": "TAILSCALE_OAUTH_CLIENT_SECRET",
        "identity_token": "TAILSCALE_IDENTITY_TOKEN",
        "scopes": "TAILSCALE_OAUTH_SCOPES",
        "tailnet": "TAILSCALE_TAILNET",
        "base_url": "TAILSCALE_BASE_URL",
    }
    return {key: variables[name].strip() for key, name in names.items() if variables.get(name, "").strip()}


def _credential(settings: Mapping[str, Any], where: str | None) -> Credential:
    """Choose the one credential that is set.

    The words name variables for an environment and keys for a profile.
    """
    key, client, secret, identity = (
        ("api_key", "client_id", "client_secret", "identity_token")
        if where
        else (
            "TAILSCALE_API_KEY",
            "TAILSCALE_OAUTH_CLIENT_ID",
            "TAILSCALE_OAUTH_CLIENT_SECRET",
            "TAILSCALE_IDENTITY_TOKEN",
        )
    )
    place = f" in {where}" if where else ""
    api_key = settings.get("api_key") or settings.get("auth")
    has = {name: bool(settings.get(name)) for name in ("client_id", "client_secret", "identity_token")}
    if api_key and any(has.values()):
        raise ConfigurationError(
            f"more than one credential{place}: set either {key} or {client} with {secret} or {identity}"
        )
    if has["client_secret"] and has["identity_token"]:
        raise ConfigurationError(
            f"more than one credential{place}: set either {secret} or {identity}, not both"
        )
    if api_key:
        return ApiKey(read_value(key, api_key))
    if (has["client_secret"] or has["identity_token"]) and not has["client_id"]:
        raise ConfigurationError(
            f"{secret if has['client_secret'] else identity} needs {client} beside it{place}"
        )
    if has["client_secret"]:
        scopes = settings.get("scopes") or ()
        return OAuthClient(
            read_value(client, settings["client_id"]),
            read_value(secret, settings["client_secret"]),
            scopes=scopes,
        )
    if has["identity_token"]:
        token = settings["identity_token"]
        if token.startswith("file:"):
            read_value(identity, token)
        return WorkloadIdentity(read_value(client, settings["client_id"]), token)
    if has["client_id"]:
        raise ConfigurationError(f"{client} needs {secret} or {identity} beside it{place}")
    raise ConfigurationError(
        f"no credential{place}: set {key}, or {client} with {secret}, or {client} with {identity}"
    )


def read_value(name: str, value: str) -> str:
    """Return a setting, reading it from a file when it is ``file:PATH``.

    Args:
        name: the variable or key, for the error text.
        value: the value itself, or ``file:PATH``.

    Raises:
        ConfigurationError: the file is missing, empty, or others may write it.
    """
    if not isinstance(value, str):
        raise ConfigurationError(f"{name} must be text")
    if not value.startswith("file:"):
        return value
    text = _read_private(name, Path(value.removeprefix("file:")).expanduser()).strip()
    if not text:
        raise ConfigurationError(f"{name}: the file is empty")
    return text


def _read_private(name: str, path: Path) -> str:
    """Read a file and judge the modes of what was opened, not of what the name meant a moment ago."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(64 * 1024)
    except OSError as problem:
        raise ConfigurationError(f"{name}: {path} cannot be read ({problem.strerror})") from None
    if os.name == "posix" and mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigurationError(f"{name}: {path} may be written by others; run chmod 600 {path}")
    if os.name == "posix" and mode & (stat.S_IRGRP | stat.S_IROTH):
        warnings.warn(
            f"{path} holds a credential and may be read by others; run chmod 600 {path}", stacklevel=2
        )
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigurationError(f"{name}: {path} is not UTF-8 text") from None


def profiles_path() -> Path:
    """Return the file of the named profiles."""
    from platformdirs import user_config_path

    return user_config_path("tailscale-sdk") / "config.toml"


def read_profiles() -> dict[str, dict[str, Any]]:
    """Read every named profile.

    Raises:
        ConfigurationError: the file is no TOML, holds an unknown key, or may be written by others.
    """
    path = profiles_path()
    if not path.exists():
        return {}
    try:
        content = tomllib.loads(_read_private("profiles", path))
    except tomllib.TOMLDecodeError as problem:
        raise ConfigurationError(f"{path} is not TOML: {problem}") from None
    profiles = content.get("profiles", {})
    if not isinstance(profiles, dict) or not all(isinstance(profile, dict) for profile in profiles.values()):
        raise ConfigurationError(f"{path}: profiles are tables, [profiles.NAME]")
    for name, profile in profiles.items():
        unknown = sorted(set(profile) - _PROFILE_KEYS)
        if unknown:
            raise ConfigurationError(
                f"{path}: profile {name!r} has the unknown key {unknown[0]!r}; known are {', '.join(sorted(_PROFILE_KEYS))}"
            )
    return profiles


def _read_profile(name: str) -> dict[str, Any]:
    profiles = read_profiles()
    if name not in profiles:
        known = ", ".join(sorted(profiles)) or "none"
        raise ConfigurationError(f"there is no profile {name!r} in {profiles_path()}; there is: {known}")
    return profiles[name]
