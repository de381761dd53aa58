"""Policies as they were, who replaced them and why, and whether the stored one drifted from what was applied."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Literal

from attrs import frozen

from tailscale_sdk.changes import AsyncChanges, Changes
from tailscale_sdk.changes.journal import Entry
from tailscale_sdk.changes.policy_versions import KeptPolicy, PolicyVersion
from tailscale_sdk.changes.preimages import Preimage
from tailscale_sdk.client import AsyncTailscale
from tailscale_sdk.errors import StateError
from tailscale_sdk.operations.policies.judgement import text_difference
from tailscale_sdk.policy import hujson

_CHANGES = 500
_SHORTEST = 4
DriftStatus = Literal["in_sync", "pending", "outside_edit", "conflict", "unknown"]


@frozen
class HistoryEntry:
    """Hold one kept version of the policy, and the change that replaced it.

    Attributes:
        version: name, time, hash and ETag of the text, who replaced it and why.
        change: the journal's entry of that change; None where it is older than is kept.
    """

    version: PolicyVersion
    change: Entry | None

    def to_dict(self) -> dict[str, Any]:
        """Return the entry as JSON data."""
        version, change = self.version, self.change
        return {
            "version": version.name,
            "kept": datetime.fromtimestamp(version.kept, UTC).isoformat(timespec="seconds"),
            "sha256": version.sha256,
            "etag": version.etag,
            "actor": version.actor,
            "reason": version.reason,
            "change": change.change_id if change is not None else None,
            "outcome": change.state if change is not None else None,
        }


def history(engine: AsyncChanges | Changes) -> list[HistoryEntry]:
    """Return the kept versions of the policy, newest first.

    Args:
        engine: whose kept versions are meant.

    Raises:
        StateError: they cannot be read.
    """
    by_version = {image.content.get("version"): entry for entry, image in _policy_changes(engine)}
    versions = engine.state.versions.list(engine.policy_shelf)
    return [HistoryEntry(version, by_version.get(version.name)) for version in versions]


def _policy_changes(engine: AsyncChanges | Changes) -> Iterator[tuple[Entry, Preimage]]:
    """Yield the changes of the policy under this profile, newest first, each with what it replaced."""
    for summary in engine.state.journal.changes(_CHANGES):
        if (summary.profile, summary.tailnet) != (engine.profile, engine.client.tailnet):
            continue
        images = {image.item: image for image in engine.state.preimages.for_change(summary.change_id)}
        for entry in engine.state.journal.entries(summary.change_id):
            if entry.operation == "setPolicyFile" and entry.item in images:
                yield entry, images[entry.item]


def find_version(engine: AsyncChanges | Changes, text: str) -> KeptPolicy:
    """Return a kept version.

    Args:
        engine: whose kept versions are meant.
        text: ``previous``, or the beginning of its name, hash or ETag, at least four characters.

    Raises:
        StateError: none or several are meant, or it cannot be read.
    """
    versions = engine.state.versions.list(engine.policy_shelf)
    if text == "previous":
        found = list(versions[:1])
    else:
        wanted = text.strip().strip('"')
        names = ((version, (version.name, version.sha256, version.etag or "")) for version in versions)
        found = [version for version, known in names if any(name.startswith(wanted) for name in known)]
        found = found if len(wanted) >= _SHORTEST else []
    hashes = {version.sha256 for version in found}
    if len(hashes) != 1:
        count = "no kept version of the policy" if not found else f"{len(hashes)} kept versions of the policy"
        raise StateError(f"{count} fit {text!r}: see the history for their names")
    return engine.state.versions.read(found[0].name, engine.policy_shelf)


def last_applied(engine: AsyncChanges | Changes) -> str | None:
    """Return the SHA-256 of the policy that was applied from here last, None where none was or is known."""
    for entry, image in _policy_changes(engine):
        if entry.state in {"closed", "verified"}:
            sent: str | None = image.content.get("sent_sha256")
            return sent
    return None


@frozen
class Drift:
    """Hold how a file, the stored policy and the one applied last stand to each other.

    Attributes:
        status: in_sync (file and stored policy say the same), pending (only the file is newer), outside_edit
            (only the stored policy is newer), conflict (both are), unknown (they differ, and nothing was
            applied from here).
        stored: ETag of the stored policy.
        file: the ETag the file would have: SHA-256 of its canonical layout.
        applied: SHA-256 of the bytes that were applied last.
        text: the difference between the stored policy and the file.
    """

    status: DriftStatus
    stored: str
    file: str
    applied: str | None
    text: tuple[str, ...] = ()

    @property
    def is_outside_edit(self) -> bool:
        """Tell whether somebody changed the policy elsewhere."""
        return self.status in {"outside_edit", "conflict"}

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "status": self.status,
            "stored": self.stored,
            "file": self.file,
            "applied": self.applied,
            "text": list(self.text),
        }


async def drift(client: AsyncTailscale, text: str, *, changes: AsyncChanges | None = None) -> Drift:
    """Compare a policy file with the stored policy and with what was applied last; nothing is changed.

    Args:
        client: reads the policy.
        text: of the file.
        changes: engine whose journal is meant.

    Raises:
        HuJSONError: the file is not HuJSON.
        TailscaleError: the policy cannot be read.

    Scope: ``policy_file:read``.
    """
    stored = await client.policy.get()
    applied = last_applied(changes or AsyncChanges(client))
    file = canonical_hash(text)
    etag = stored.etag or canonical_hash(stored.text)
    ours, theirs = (_hash(each) for each in (text, stored.text))
    if etag == file:
        status: DriftStatus = "in_sync"
    elif applied is None:
        status = "unknown"
    elif theirs == applied:
        status = "pending"
    else:
        status = "outside_edit" if ours == applied else "conflict"
    return Drift(status, etag, file, applied, text_difference(stored.text, text, names=("stored", "file")))


def canonical_hash(text: str) -> str:
    """Return the SHA-256 of a policy's canonical layout, as the service makes its ETag.

    Raises:
        HuJSONError: it is not HuJSON.
    """
    return _hash(hujson.format(text))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
