"""What an audit takes as right in one tailnet: thresholds, and lists of what is meant to be as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from tailscale_sdk.operations.fleet.versions import Version, read_version

_BASELINE = {"node:tsAutoUpdate": True, "node:tsStateEncrypted": True}
_SENSITIVE = ("password", "payroll", "salary", "secret", "acquisition", "merger", "layoff")

# CVE-2022-41924 and CVE-2022-41925: a web page may reach into older clients.
# Source: https://tailscale.com/security-bulletins, TS-2022-004 and TS-2022-005.
_FLOOR = read_version("1.32.3")
_SSH_SYSTEMS = frozenset({"linux", "macos", "freebsd", "openbsd"})


def _version(text: str | Version | None) -> Version | None:
    return read_version(text) if isinstance(text, str) else text


@frozen(kw_only=True)
class AuditOptions:
    """Hold what checks measure by.

    Attributes:
        never_expiring_tags: tags whose devices may have keys that never expire.
        exit_nodes: nodeIds and tags that may be exit nodes.
        ssh_tags: tags whose devices may take SSH; any tag when left out.
        latest_version: newest stable client version; without it the newest the API calls current, and its own word.
        security_floor: oldest client version without a known hole.
        baseline: posture attributes a device has to have, with their values.
        minors_behind: how many stable minor versions a client may be behind.
        stale_days: days of silence after which a device is stale.
        auth_key_days: longest an auth key may be made for.
        api_key_days: longest an API access token may be made for.
        warn_days: days before its end in which a key's expiry is a finding.
        key_age_days: oldest a credential without an end may be.
        device_key_days: longest a device's key may last; more than twice that is high.
        max_admins: most owners and admins there may be.
        min_admins: fewest there should be.
        idle_days: days after which an admin is idle.
        invite_days: days after which an invite that nobody took is a finding.
        secret_days: oldest a webhook's secret may be.
        sensitive_words: words that must not become public in a certificate's name.
        production_tags: tags of production; those with a word prod or production in their name when left out.
        ssh_systems: operating systems, in lower case, that may take SSH.
        stalled_days: days without a delivery after which the network log has stalled; the configuration log may be
            silent four times as long.
    """

    never_expiring_tags: frozenset[str] = field(default=frozenset(), converter=frozenset)
    exit_nodes: frozenset[str] = field(default=frozenset(), converter=frozenset)
    ssh_tags: frozenset[str] = field(default=frozenset(), converter=frozenset)
    latest_version: Version | None = field(default=None, converter=_version)
    security_floor: Version | None = field(default=_FLOOR, converter=_version)
    baseline: Mapping[str, Any] = field(factory=lambda: dict(_BASELINE))
    minors_behind: int = 3
    stale_days: float = 30
    auth_key_days: float = 30
    api_key_days: float = 90
    warn_days: float = 14
    key_age_days: float = 365
    device_key_days: float = 90
    max_admins: int = 3
    min_admins: int = 2
    idle_days: float = 90
    invite_days: float = 14
    secret_days: float = 365
    sensitive_words: tuple[str, ...] = _SENSITIVE
    production_tags: frozenset[str] = field(default=frozenset(), converter=frozenset)
    ssh_systems: frozenset[str] = field(default=_SSH_SYSTEMS, converter=frozenset)
    stalled_days: float = 7
