"""Policies as they were: who replaced them, when, why and by what; and the way to find one again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from attrs import frozen

from tailscale_sdk.changes import AsyncChanges, Changes
from tailscale_sdk.changes.journal import Entry
from tailscale_sdk.changes.policy_versions import KeptPolicy, PolicyVersion
from tailscale_sdk.changes.preimages import Preimage
from tailscale_sdk.changes.states import layout_hash
from tailscale_sdk.client import AsyncTailscale
from tailscale_sdk.errors import StateError
from tailscale_sdk.operations.policies.texts import hash_of, text_difference

_CHANGES: Final = 500
_SHORTEST: Final = 4
_SETTLED: Final = frozenset({"applied", "verified", "closed"})
_NOT_WRITTEN: Final = frozenset({"planned", "snapshotted", "refused"})
PREVIOUS: Final = "previous"


@frozen
class HistoryEntry:
    """Hold one kept version of the policy, and the change that replaced it.

    Attributes:
        version: name, time, hash and ETag of the text, who replaced it and why.
        change: the journal's entry of that change; None where it is older than is kept.
        sent: SHA-256 of the bytes it was replaced by; None where that is not known.
        layout: SHA-256 of those bytes in their canonical layout.
    """

    version: PolicyVersion
    change: Entry | None
    sent: str | None = None
    layout: str | None = None

    def wrote(self, text: str) -> bool:
        """Tell whether a text is what its change wrote; how it is laid out makes no difference."""
        return self.sent is not None and (hash_of(text) == self.sent or layout_hash(text) == self.layout)

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
            "plan": change.plan if change is not None else None,
            "outcome": change.state if change is not None else None,
            "replaced_by": self.sent,
        }


def history(engine: AsyncChanges | Changes) -> list[HistoryEntry]:
    """Return the kept versions of the policy, newest first.

    Args:
        engine: whose kept versions are meant.

    Raises:
        StateError: they cannot be read.
    """
    versions = engine.state.versions.list(engine.policy_shelf)
    replaced = _replacements(engine, {version.name for version in versions})
    entries: list[HistoryEntry] = []
    for version in versions:
        change, image = replaced.get(version.name, (None, None))
        content = image.content if image is not None else {}
        entries.append(HistoryEntry(version, change, content.get("sent_sha256"), content.get("sent_layout")))
    return entries


def _replacements(
    engine: AsyncChanges | Changes, versions: set[str]
) -> dict[str, tuple[Entry | None, Preimage | None]]:
    """Return what replaced each of these versions.

    A version lies on the shelf of one tailnet, and each change keeps one of its own: its name tells whose it is.
    """
    found: dict[str, tuple[Entry | None, Preimage | None]] = {}
    for summary in engine.state.journal.changes(_CHANGES, operation="setPolicyFile"):
        images = {image.item: image for image in engine.state.preimages.for_change(summary.change_id)}
        for entry in engine.state.journal.entries(summary.change_id):
            image = images.get(entry.item)
            if image is not None and image.content.get("version") in versions:
                found[image.content["version"]] = (entry, image)
    return found


def find_version(engine: AsyncChanges | Changes, text: str) -> KeptPolicy:
    """Return a kept version.

    Args:
        engine: whose kept versions are meant.
        text: ``previous``, for what the last change from here replaced; the beginning of a version's name, hash or
            ETag, at least four characters; or a moment with a zone, such as ``2026-05-01T12:00:00Z``, for the
            version that was in force then.

    Raises:
        StateError: none or several are meant, or it cannot be read.
    """
    versions = engine.state.versions.list(engine.policy_shelf)
    wanted = text.strip().strip('"')
    found = (
        _replaced(engine)[:1]
        if wanted == PREVIOUS
        else _named(versions, wanted) or _in_force(versions, wanted)
    )
    hashes = {version.sha256 for version in found}
    if len(hashes) != 1:
        count = "no kept version of the policy" if not found else f"{len(hashes)} kept versions of the policy"
        raise StateError(f"{count} fit {text!r}: see the history for their names")
    return engine.state.versions.read(found[0].name, engine.policy_shelf)


def _replaced(engine: AsyncChanges | Changes) -> list[PolicyVersion]:
    """Return the versions that were replaced: those of a change that was refused, or never sent, were only kept."""
    return [
        entry.version
        for entry in history(engine)
        if entry.change is None or entry.change.state not in _NOT_WRITTEN
    ]


def _named(versions: tuple[PolicyVersion, ...], wanted: str) -> list[PolicyVersion]:
    if len(wanted) < _SHORTEST:
        return []
    names = ((version, (version.name, version.sha256, version.etag or "")) for version in versions)
    return [version for version, known in names if any(name.startswith(wanted) for name in known)]


def _in_force(versions: tuple[PolicyVersion, ...], wanted: str) -> list[PolicyVersion]:
    """Return the version that was stored at a moment, as far as is known here: the first that was replaced after it.

    Raises:
        StateError: the moment has no zone, or the policy that is stored now was in force then already.
    """
    try:
        moment = datetime.fromisoformat(wanted) if "-" in wanted[:5] else None
    except ValueError:
        moment = None
    if moment is None:
        return []
    if moment.tzinfo is None:
        raise StateError(f"{wanted} is no moment with a zone, such as 2026-05-01T12:00:00Z")
    later = [version for version in versions if version.kept > moment.timestamp()]
    if versions and not later:
        raise StateError(f"the policy that is stored now was in force at {wanted} already")
    return later[-1:]


def last_applied(engine: AsyncChanges | Changes, stored: str) -> HistoryEntry | None:
    """Return what was applied from here last, None where nothing was or is known.

    Args:
        engine: whose kept versions are meant.
        stored: the stored policy; a write of it whose outcome nobody looked up yet counts as well.
    """
    for entry in history(engine):
        if entry.change is None or entry.sent is None or entry.change.state == "refused":
            continue
        if entry.change.state in _SETTLED or entry.wrote(stored):
            return entry
    return None


@frozen
class VersionDifference:
    """Say what a change made of a kept version.

    Attributes:
        entry: the version, and the change that replaced it.
        text: the difference to what came after it, as lines.
        is_exact: what came after it is what the change wrote; else somebody edited it elsewhere in between.
    """

    entry: HistoryEntry
    text: tuple[str, ...]
    is_exact: bool

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {**self.entry.to_dict(), "text": list(self.text), "is_exact": self.is_exact}


async def difference(
    client: AsyncTailscale, version: str = PREVIOUS, *, changes: AsyncChanges | None = None
) -> VersionDifference:
    """Show what the change that replaced a version made of it.

    Args:
        client: reads the stored policy, where the version is the newest; nothing is sent otherwise.
        version: as for ``find_version``.
        changes: engine whose kept versions are meant.

    Raises:
        StateError: no such version is kept, or it cannot be read.
        TailscaleError: the policy cannot be read.

    Scope: ``policy_file:read``.
    """
    engine = changes or AsyncChanges(client)
    kept = find_version(engine, version)
    entries = history(engine)
    place = next(place for place, entry in enumerate(entries) if entry.version.name == kept.version.name)
    if place:
        after = engine.state.versions.read(entries[place - 1].version.name, engine.policy_shelf).text
    else:
        after = (await client.policy.get()).text
    lines = text_difference(kept.text, after, names=("before", "after"))
    return VersionDifference(entries[place], lines, entries[place].wrote(after))
