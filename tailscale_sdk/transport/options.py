"""What a client or one of its copies allows each call."""

from __future__ import annotations

from typing import Literal

from attrs import frozen

from tailscale_sdk import _constants as defaults
from tailscale_sdk.transport.hooks import Hooks

OnAmbiguous = Literal["raise", "recreate"]


@frozen
class Options:
    """Hold the options of a call; every time is in seconds.

    Attributes:
        timeout: deadline of the whole call, every wait included.
        timeout_chosen: the caller set it; log streams have no deadline otherwise.
        connect_timeout, read_timeout, write_timeout: of one phase of an attempt, cut to what is left.
        idle_timeout: longest silence within a log stream.
        max_retries: further attempts after a failure that may be repeated.
        max_retry_after: longest Retry-After that is sat out; a longer one is raised at once.
        retry_429_writes: repeat creations and effects too when the service said 429.
        max_response_bytes: largest decompressed answer.
        max_record_bytes: largest record of a log stream.
        on_ambiguous: after an unclear creation: raise, or create once more.
        mark_creation: put a mark into a created key's description, to find it by.
        bulk: leave half of the slots and every second turn to other calls.
        hooks: told of every request, response and retry.
    """

    timeout: float = defaults.TOTAL_TIMEOUT_SECONDS
    timeout_chosen: bool = False
    connect_timeout: float = defaults.CONNECT_TIMEOUT_SECONDS
    read_timeout: float = defaults.READ_TIMEOUT_SECONDS
    write_timeout: float = defaults.WRITE_TIMEOUT_SECONDS
    idle_timeout: float = defaults.IDLE_TIMEOUT_SECONDS
    max_retries: int = defaults.MAX_RETRIES
    max_retry_after: float = defaults.MAX_RETRY_AFTER_SECONDS
    retry_429_writes: bool = True
    max_response_bytes: int = defaults.MAX_RESPONSE_BYTES
    max_record_bytes: int = defaults.MAX_RECORD_BYTES
    on_ambiguous: OnAmbiguous = "raise"
    mark_creation: bool = True
    bulk: bool = False
    hooks: Hooks | None = None
