"""Where settings come from: arguments, environment, files and named profiles."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from tailscale_sdk import _constants as defaults
from tailscale_sdk.auth import ApiKey, Credential, OAuthClient, WorkloadIdentity, credential_from
from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.option_values import build_base_url, build_tailnet
from tailscale_sdk.private_file import PREFIX, read_private_file, read_value

PROFILE_VARIABLE = "TAILSCALE_PROFILE"
_VARIABLES = {
    "api_key": "TAILSCALE_API_KEY",
    "client_id": "TAILSCALE_OAUTH_CLIENT_ID",
    "client_secret": "TAILSCALE_OAUTH_CLIENT_SECRET",
    "identity_token": "TAILSCALE_IDENTITY_TOKEN",
    "scopes": "TAILSCALE_OAUTH_SCOPES",
    "tailnet": "TAILSCALE_TAILNET",
    "base_url": "TAILSCALE_BASE_URL",
}
_TEXT_KEYS = {"tailnet", "base_url", "api_key", "auth", "client_id", "client_secret", "identity_token"}
# The last three are settings of the MCP server, which reads them itself.
_PROFILE_KEYS = _TEXT_KEYS | {"scopes", "tier", "toolsets", "protected"}


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

    A profile is taken as a whole: settings of the environment are not mixed into it.

    Args:
        environ: the environment, that of the process by default.
        profile: name of a profile; ``TAILSCALE_PROFILE`` when left out.
        arguments: ``api_key``, ``auth``, ``tailnet``, ``base_url`` as given to the client.

    Raises:
        ConfigurationError: a setting is missing, contradictory or unreadable; the text names it.
    """
    variables = os.environ if environ is None else environ
    chosen = chosen_profile(profile, variables)
    settings = _from_variables(variables)
    if chosen is not None:
        if profile is None:
            _check_alone(settings)
        settings = read_profile(chosen)
    given = {name: arguments[name] for name in ("tailnet", "base_url") if arguments.get(name) is not None}
    found = {name: settings[name] for name in ("tailnet", "base_url") if name in settings}
    api_key, auth = arguments.get("api_key"), arguments.get("auth")
    if api_key is not None or auth is not None:
        credential = credential_from(api_key, auth)
    else:
        credential = _choose(settings, f"profile {chosen!r}" if chosen else None)
    return Configuration(credential=credential, **(found | given))


def chosen_profile(profile: str | None = None, environ: Mapping[str, str] | None = None) -> str | None:
    """Return the name of the profile that is meant, None where none is."""
    variables = os.environ if environ is None else environ
    return profile or variables.get(PROFILE_VARIABLE, "").strip() or None


def protected_names(name: str, settings: Mapping[str, Any]) -> frozenset[str]:
    """Return what a profile protects from every change: tags, node ids, device names, addresses, users.

    Args:
        name: of the profile.
        settings: as ``read_profile`` returns them.

    Raises:
        ConfigurationError: it is not a list of names.
    """
    listed = settings.get("protected", [])
    if not isinstance(listed, list) or not all(isinstance(item, str) and item for item in listed):
        raise ConfigurationError(
            f"profile {name!r}: protected is a list of tags, node ids, device names, addresses or users"
        )
    return frozenset(listed)


def _from_variables(variables: Mapping[str, str]) -> dict[str, Any]:
    return {
        key: variables[name].strip() for key, name in _VARIABLES.items() if variables.get(name, "").strip()
    }


def _check_alone(settings: Mapping[str, Any]) -> None:
    """Refuse variables beside TAILSCALE_PROFILE: which of the two is meant cannot be told."""
    if settings:
        names = ", ".join(_VARIABLES[key] for key in settings)
        raise ConfigurationError(f"{PROFILE_VARIABLE} chooses every setting: unset it, or unset {names}")


def _choose(settings: Mapping[str, Any], where: str | None) -> Credential:
    """Choose the one credential that is set; words name variables, or the keys of a profile."""
    names = {key: key for key in _VARIABLES} if where else _VARIABLES
    place = f" in {where}" if where else ""
    key, client, secret, identity = (
        names[name] for name in ("api_key", "client_id", "client_secret", "identity_token")
    )
    has_key, has_client, has_secret, has_identity = (
        name in settings for name in ("api_key", "client_id", "client_secret", "identity_token")
    )
    if has_key and (has_client or has_secret or has_identity):
        raise ConfigurationError(
            f"more than one credential{place}: set either {key}, or {client} with {secret} or {identity}"
        )
    if has_secret and has_identity:
        raise ConfigurationError(
            f"more than one credential{place}: set either {secret} or {identity}, not both"
        )
    if "scopes" in settings and not has_secret and (has_key or has_identity):
        raise ConfigurationError(
            f"{names['scopes']}{place} is for {client} with {secret} only: unset it, it would limit nothing"
        )
    if has_key:
        return ApiKey(read_value(key, settings["api_key"]))
    if not (has_client or has_secret or has_identity):
        raise ConfigurationError(
            f"no credential{place}: set {key}, or {client} with {secret}, or {client} with {identity}"
        )
    if not (has_secret or has_identity):
        raise ConfigurationError(f"{client} needs {secret} or {identity} beside it{place}")
    if not has_client:
        raise ConfigurationError(f"{secret if has_secret else identity} needs {client} beside it{place}")
    client_id = read_value(client, settings["client_id"])
    if has_secret:
        return OAuthClient(
            client_id, read_value(secret, settings["client_secret"]), scopes=settings.get("scopes", ())
        )
    token = settings["identity_token"]
    if token.startswith(PREFIX):
        # A file that cannot be read is told now; its content is read anew for every exchange.
        read_value(identity, token)
    return WorkloadIdentity(client_id, token)


def profiles_path() -> Path:
    """Return the file of the named profiles."""
    from platformdirs import user_config_path

    return user_config_path("tailscale-sdk") / "config.toml"


def read_profiles() -> dict[str, dict[str, Any]]:
    """Read every named profile; none when there is no file.

    Raises:
        ConfigurationError: the file is no TOML, holds an unknown key, or may be written by others.
    """
    path = profiles_path()
    if not path.exists():
        return {}
    try:
        content = tomllib.loads(read_private_file("profiles", path))
    except tomllib.TOMLDecodeError as problem:
        raise ConfigurationError(f"{path} is not TOML: {problem}") from None
    profiles = content.get("profiles", {})
    if not isinstance(profiles, dict) or not all(isinstance(profile, dict) for profile in profiles.values()):
        raise ConfigurationError(f"{path}: profiles are tables, [profiles.NAME]")
    for name, profile in profiles.items():
        _check_profile(f"{path}: profile {name!r}", profile)
    return profiles


def _check_profile(where: str, profile: Mapping[str, Any]) -> None:
    unknown = sorted(set(profile) - _PROFILE_KEYS)
    if unknown:
        known = ", ".join(sorted(_PROFILE_KEYS))
        raise ConfigurationError(f"{where} has the unknown key {unknown[0]!r}; known are {known}")
    for key in sorted(_TEXT_KEYS & set(profile)):
        if not isinstance(profile[key], str) or not profile[key].strip():
            raise ConfigurationError(f"{where}: {key} must be text")
    scopes = profile.get("scopes", [])
    if not isinstance(scopes, str | list) or not all(isinstance(scope, str) for scope in scopes):
        raise ConfigurationError(f"{where}: scopes must be a list of texts")
    if "auth" in profile and "api_key" in profile:
        raise ConfigurationError(f"{where}: api_key and auth are the same setting: keep one of them")


def read_profile(name: str) -> dict[str, Any]:
    """Read one named profile; an API key is under ``api_key``, however it is written.

    Raises:
        ConfigurationError: there is none of this name; the text lists those there are.
    """
    profiles = read_profiles()
    if name not in profiles:
        known = ", ".join(sorted(profiles)) or "none"
        raise ConfigurationError(f"there is no profile {name!r} in {profiles_path()}; there is: {known}")
    return {"api_key" if key == "auth" else key: value for key, value in profiles[name].items()}
