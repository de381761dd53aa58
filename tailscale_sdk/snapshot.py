"""One value with a whole tailnet: what `tailscale-sdk snapshot` writes and every offline command reads."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from attrs import field, frozen

from tailscale_sdk.errors import ConfigurationError

VERSION = 1
LISTS = (
    "devices",
    "users",
    "keys",
    "webhooks",
    "services",
    "posture_integrations",
    "oauth_apps",
    "user_invites",
    "device_invites",
)
OBJECTS = ("dns", "settings", "contacts", "attributes", "log_streams", "policy_validation", "coverage")
TEXTS = ("tailnet", "taken", "policy", "policy_etag")
# Fields that hold a credential or a link that works like one; they never leave the service's answer.
SECRET_FIELDS = frozenset(
    {
        "key",
        "secret",
        "clientSecret",
        "token",
        "s3SecretAccessKey",
        "gcsCredentials",
        "inviteUrl",
        "access_token",
    }
)
_KINDS = {
    dict: "an object",
    list: "a list",
    str: "text",
    bool: "true or false",
    int: "a number",
    float: "a number",
}
_CREDENTIAL = re.compile(r"tskey-[a-z]+-[A-Za-z0-9_-]+")


def without_secrets(value: Any) -> Any:
    """Return API JSON without any secret: marked fields go, credentials inside text are masked."""
    if isinstance(value, dict):
        return {
            name: without_secrets(item)
            for name, item in value.items()
            if not (name in SECRET_FIELDS and isinstance(item, str))
        }
    if isinstance(value, list):
        return [without_secrets(item) for item in value]
    return _CREDENTIAL.sub("tskey-***", value) if isinstance(value, str) else value


def _refuse(place: str, wanted: str, value: Any) -> ConfigurationError:
    found = "null" if value is None else _KINDS.get(type(value), type(value).__name__)
    return ConfigurationError(f"{place}: must be {wanted}, found {found}")


@frozen
class TailnetSnapshot:
    """Hold what was read of a tailnet, as the API returns it; unknown keys are kept.

    Attributes:
        content: the snapshot as JSON: ``devices`` and whatever else was read.
    """

    content: Mapping[str, Any] = field(repr=lambda content: f"<{', '.join(content)}>")

    @classmethod
    def from_dict(cls, content: Any) -> Self:
        """Check a decoded snapshot.

        Args:
            content: the JSON object.

        Raises:
            ConfigurationError: the text names the path of the bad value.
        """
        if not isinstance(content, Mapping):
            raise _refuse("snapshot", "an object with the key devices", content)
        if "devices" not in content:
            raise ConfigurationError("devices: is missing, a snapshot needs it")
        checked = dict(content)
        for name in LISTS:
            if name in content:
                checked[name] = [
                    _element(name, index, item) for index, item in enumerate(_list(name, content[name]))
                ]
        for names, kind, wanted in ((OBJECTS, dict, "an object"), (TEXTS, str, "text")):
            for name in names:
                if content.get(name) is not None and not isinstance(content[name], kind):
                    raise _refuse(name, wanted, content[name])
        return cls(checked)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a snapshot file.

        Args:
            path: JSON file.

        Raises:
            ConfigurationError: it cannot be read; the text names the file, and the path of a bad value.
        """
        try:
            content = json.loads(Path(path).read_bytes())
        except OSError as problem:
            raise ConfigurationError(f"{path}: cannot be read ({problem.strerror})") from None
        except (ValueError, RecursionError) as problem:
            where = f" at line {problem.lineno}" if isinstance(problem, json.JSONDecodeError) else ""
            raise ConfigurationError(f"{path}: is not JSON{where}") from None
        try:
            return cls.from_dict(content)
        except ConfigurationError as problem:
            raise ConfigurationError(f"{path}: {problem}") from None

    def to_dict(self) -> dict[str, Any]:
        """Return the snapshot as JSON data, without any secret."""
        cleaned: dict[str, Any] = without_secrets(dict(self.content))
        return {"version": VERSION, **cleaned}

    def to_json(self) -> str:
        """Return the snapshot file: the same content gives the same bytes."""
        return json.dumps(self.to_dict(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"

    @property
    def devices(self) -> list[dict[str, Any]]:
        """Return the devices as the API returns them, each with a nodeId."""
        return list(self.content["devices"])

    @property
    def users(self) -> list[dict[str, Any]]:
        """Return the users as the API returns them."""
        return list(self.content.get("users") or ())

    @property
    def policy(self) -> str | None:
        """Return the policy file's text, None where it was not read."""
        text: str | None = self.content.get("policy")
        return text


def _list(name: str, value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise _refuse(name, "a list", value)
    return value


def _element(name: str, index: int, value: Any) -> dict[str, Any]:
    place = f"{name}[{index}]"
    if not isinstance(value, dict):
        raise _refuse(place, "an object", value)
    if name != "devices":
        return value
    for key in ("nodeId", "id", "name", "hostname", "user"):
        if value.get(key) is not None and not isinstance(value[key], str):
            raise _refuse(f"{place}.{key}", "text", value[key])
    if not value.get("nodeId"):
        if not value.get("id"):
            raise ConfigurationError(f"{place}: needs nodeId or id")
        return {**value, "nodeId": value["id"]}
    return value
