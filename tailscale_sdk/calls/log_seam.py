"""Where a log stream broke off, and what of a resumed one came before."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, deque
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from attrs import frozen

from tailscale_sdk._constants import SEAM_RECORDS
from tailscale_sdk._generated.types import decode_moment
from tailscale_sdk.errors import ConfigurationError, IncompleteStreamError

_MARK_BYTES = 16


@frozen
class LogKind:
    """Describe one of the two logs.

    Attributes:
        operation: operation id.
        time: field that the window and the order of records go by.
        identity: what a record is known by when it comes again.
    """

    operation: str
    time: str
    identity: Callable[[Mapping[str, Any]], str]


def _flow_identity(record: Mapping[str, Any]) -> str:
    node, start, end = record.get("nodeId"), record.get("start"), record.get("end")
    return f"{node} {start} {end}" if node and start and end else _text_of(list(record.items()))


def _audit_identity(record: Mapping[str, Any]) -> str:
    """Leave out names, which may be changed between two readings of the same event."""
    fields = ("eventGroupID", "eventTime", "type", "origin", "action", "old", "new")
    actor, target = _parts(record, "actor", "id"), _parts(record, "target", "id", "type", "property")
    return _text_of([*map(record.get, fields), *actor, *target])


def _parts(record: Mapping[str, Any], field: str, *names: str) -> list[Any]:
    value = record.get(field)
    return [value.get(name) for name in names] if isinstance(value, Mapping) else [value]


def _text_of(identity: list[Any]) -> str:
    try:
        return json.dumps(identity, sort_keys=True)
    except RecursionError:
        # What is nested this deep is told apart by all that stands beside it.
        return json.dumps([part for part in identity if isinstance(part, str)])


FLOWS = LogKind("listNetworkFlowLogs", "logged", _flow_identity)
AUDIT = LogKind("listConfigurationAuditLogs", "eventTime", _audit_identity)


def mark(kind: LogKind, record: Mapping[str, Any]) -> bytes:
    """Return a short mark of a record, the same in every process."""
    text = kind.identity(record).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=_MARK_BYTES).digest()


class Seam:
    """Drop what a broken stream had handed out already, and remember what this one hands out.

    Args:
        kind: which log.
        resumed: the error of the stream that this one continues, or None.
    """

    def __init__(self, kind: LogKind, resumed: IncompleteStreamError | None = None) -> None:
        seen = () if resumed is None else resumed.seam
        self._kind = kind
        self._due = Counter(seen)
        self._recent = deque(seen, maxlen=SEAM_RECORDS)
        self._last = None if resumed is None else resumed.last_record_time
        self._last_text: str | None = None
        self.count = 0

    def passes(self, record: Mapping[str, Any]) -> bool:
        """Tell whether a record is to be handed out; as often as it was, it is not."""
        known = mark(self._kind, record)
        if self._due and self._due[known] > 0:
            self._due[known] -= 1
            return False
        self._recent.append(known)
        self.count += 1
        moment = record.get(self._kind.time)
        if isinstance(moment, str):
            self._last_text = moment
        return True

    @property
    def last_record_time(self) -> datetime | None:
        """Return the time of the last record handed out, here or before."""
        return decode_moment(self._last_text) or self._last

    def broken(self, phase: str, attempts: int, elapsed: float) -> IncompleteStreamError:
        """Say that the stream ended here, with all it takes to go on."""
        return IncompleteStreamError(
            operation=self._kind.operation,
            phase=phase,
            last_record_time=self.last_record_time,
            count=self.count,
            seam=tuple(self._recent),
            attempts=attempts,
            elapsed=elapsed,
        )


def window_start(
    kind: LogKind, start: datetime | str, resume_from: IncompleteStreamError | None
) -> datetime | str:
    """Return where a window begins: at the last record that came, when a broken stream is resumed.

    Raises:
        ConfigurationError: what is to be resumed is no stream of this log.
    """
    if resume_from is None:
        return start
    if not isinstance(resume_from, IncompleteStreamError) or resume_from.operation != kind.operation:
        raise ConfigurationError(
            f"resume_from must be the IncompleteStreamError of an earlier stream of {kind.operation}"
        )
    return resume_from.last_record_time or start
