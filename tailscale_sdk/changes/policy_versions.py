"""Policies as they were: plain HuJSON files, so that a person can put one back with any editor."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import asdict, evolve, field, frozen

from tailscale_sdk._constants import POLICY_VERSION_SECONDS, POLICY_VERSIONS_KEPT
from tailscale_sdk.changes.folder import Folder
from tailscale_sdk.changes.state_directory import StateDirectory, file_name
from tailscale_sdk.changes.troubles import damaged
from tailscale_sdk.errors import StateError
from tailscale_sdk.redact import clean

_FOLDER = "policy"
_TEXT, _FACTS = ".hujson", ".json"
_TEXT_CHARACTERS = 300
_STAMP = "%Y%m%dT%H%M%S.%fZ"
_NAME = re.compile(r"(\d{8}T\d{6}\.\d{6}Z)-([0-9a-f]{64})")
_TICK = timedelta(microseconds=1)


@frozen
class PolicyVersion:
    """Say what is known of a kept policy; its text lies in a file of its own.

    Attributes:
        tailnet: the tailnet it was the policy of.
        name: UTC time and SHA-256 of the text; with ``.hujson`` behind it, the name of the file.
        kept: seconds since the epoch.
        sha256: hash of the text.
        etag: version tag the service gave it; None when there was none, or it can no longer be told.
        actor: who was about to replace it.
        reason: why it was kept.
    """

    tailnet: str
    name: str
    kept: float
    sha256: str
    etag: str | None
    actor: str
    reason: str


@frozen
class KeptPolicy:
    """Hold a kept policy.

    Attributes:
        version: what is known of it.
        text: HuJSON, byte for byte as it was.
    """

    version: PolicyVersion
    text: str = field(repr=False)


@frozen
class PolicyVersions:
    """Keep the text of a policy before it is replaced.

    Attributes:
        state: where the files are, below ``policy/<tailnet>/``.
        clock: gives seconds since the epoch.
        kept: most versions of one tailnet.
        max_age_seconds: how long they are kept.
    """

    state: StateDirectory
    clock: Callable[[], float] = field(default=time.time, kw_only=True, repr=False)
    kept: int = field(default=POLICY_VERSIONS_KEPT, kw_only=True)
    max_age_seconds: float = field(default=POLICY_VERSION_SECONDS, kw_only=True)

    def keep(self, text: str, *, etag: str | None, tailnet: str, actor: str, reason: str) -> PolicyVersion:
        """Store a policy durably, byte for byte.

        Args:
            text: HuJSON.
            etag: its version tag.
            tailnet: whose policy it is.
            actor: who is about to replace it.
            reason: why it is kept.

        Raises:
            StateError: it could not be stored: do not replace it.
        """
        data = text.encode("utf-8", "surrogatepass")
        check, now = hashlib.sha256(data).hexdigest(), self.clock()
        by, why = clean(actor, _TEXT_CHARACTERS), clean(reason, _TEXT_CHARACTERS)
        with self.state.locked(_FOLDER, file_name(tailnet)) as folder:
            name = f"{_stamp_after(_names(folder), now)}-{check}"
            version = PolicyVersion(tailnet, name, now, check, etag, by, why)
            facts = asdict(version)
            sidecar = {**facts, "check": _check(facts)}
            # The text comes last: with its name the version exists, and then everything of it does.
            folder.write(name + _FACTS, json.dumps(sidecar, indent=1).encode() + b"\n")
            folder.write(name + _TEXT, data)
        return version

    def list(self, tailnet: str) -> tuple[PolicyVersion, ...]:
        """Return the kept versions of a tailnet's policy, newest first.

        Args:
            tailnet: whose policy.

        Raises:
            StateError: the files cannot be read.
        """
        with self.state.existing(_FOLDER, file_name(tailnet)) as folder:
            if folder is None:
                return ()
            return tuple(_version(folder, tailnet, name) for name in reversed(_names(folder)))

    def read(self, name: str, tailnet: str) -> KeptPolicy:
        """Return a kept policy.

        Args:
            name: of the version.
            tailnet: whose policy.

        Raises:
            StateError: there is no such version, its text is not what was kept, or it cannot be read.
        """
        with self.state.existing(_FOLDER, file_name(tailnet)) as folder:
            data = None if folder is None or not _NAME.fullmatch(name) else folder.read(name + _TEXT)
            if folder is None or data is None:
                raise StateError("there is no such version of the policy: it may be older than is kept")
            version = _version(folder, tailnet, name)
            if hashlib.sha256(data).hexdigest() != version.sha256:
                raise damaged(folder.path / (name + _TEXT), "this version of the policy")
            return KeptPolicy(version, data.decode("utf-8", "surrogatepass"))

    def purge(self, tailnet: str, *, in_use: Collection[str] = ()) -> int:
        """Remove versions that are older or more than is kept, and return how many.

        The newest stays, and so does what an open change may have to go back to.

        Args:
            tailnet: whose policy.
            in_use: names, ETags or hashes of versions that must stay.

        Raises:
            StateError: they could not be removed.
        """
        with self.state.locked(_FOLDER, file_name(tailnet)) as folder:
            folder.sweep()
            versions = [_version(folder, tailnet, name) for name in reversed(_names(folder))]
            outdated = [
                version
                for place, version in enumerate(versions)
                if place and (place >= self.kept or version.kept <= self.clock() - self.max_age_seconds)
                if not {version.name, version.etag, version.sha256} & set(in_use)
            ]
            for version in outdated:
                folder.remove(version.name + _TEXT)
            folder.sync()
            _remove_orphans(folder)
        return len(outdated)


def _names(folder: Folder) -> list[str]:
    """Return the names of the versions, oldest first."""
    found = (name.removesuffix(_TEXT) for name in folder.names() if name.endswith(_TEXT))
    return [name for name in found if _NAME.fullmatch(name)]


def _stamp_after(names: list[str], now: float) -> str:
    """Return the time for a name: later than every other, whatever the clock did."""
    stamp = datetime.fromtimestamp(now, UTC)
    if names:
        stamp = max(stamp, _time_in(names[-1]) + _TICK)
    return stamp.strftime(_STAMP)


def _time_in(name: str) -> datetime:
    return datetime.strptime(name.partition("-")[0], _STAMP).replace(tzinfo=UTC)


def _version(folder: Folder, tailnet: str, name: str) -> PolicyVersion:
    """Return what is known of a version; where the facts beside it are lost, what its name tells."""
    known = PolicyVersion(tailnet, name, _time_in(name).timestamp(), name.partition("-")[2], None, "", "")
    try:
        facts: Any = json.loads(folder.read(name + _FACTS) or b"")
        check = facts.pop("check")
        whole = check == _check(facts) and facts["name"] == name
        return evolve(known, **facts) if whole else known
    except (ValueError, AttributeError, KeyError, TypeError):
        return known


def _check(facts: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _remove_orphans(folder: Folder) -> None:
    """Remove facts without a text, which an interrupted write or removal left."""
    complete = set(_names(folder))
    for name in _leftovers(folder):
        if name.removesuffix(_FACTS) not in complete:
            folder.remove(name)


def _leftovers(folder: Folder) -> Iterator[str]:
    return (
        name for name in folder.names() if name.endswith(_FACTS) and _NAME.fullmatch(name[: -len(_FACTS)])
    )
