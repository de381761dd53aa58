"""Plans in Redis, for several servers behind one address; journal, pre-images and audit stay with each of them."""

from __future__ import annotations

import contextlib
import importlib
import math
import time
from collections.abc import Callable, Iterator
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from tailscale_sdk import redact
from tailscale_sdk._constants import STATE_LOCK_SECONDS
from tailscale_sdk.changes.plan_store import PlanRecord, open_record, pack_record, record_key
from tailscale_sdk.errors import ConfigurationError, PlanRefusedError, StateError

_MISSING = "plans in Redis need the redis package: pip install 'tailscale-sdk[redis]'"
_URL = "the address of Redis must be redis://, rediss:// or unix://, with a host or a path"
_UNREACHABLE = (
    "the plan store in Redis does not answer as it should: check that it runs, its address and password"
)
# One step for Redis: no two callers see the record, and another digest leaves it where it is.
_TAKE = """
local found = redis.call('HMGET', KEYS[1], 'record', 'sha256', 'digest')
if not found[1] then return false end
if ARGV[1] == '1' and found[3] ~= ARGV[2] then return 'other' end
redis.call('DEL', KEYS[1])
return {found[1], found[2]}
"""
# The same plan again is a repeat whose answer was lost.
_PUT = """
local there = redis.call('HGET', KEYS[1], 'sha256')
if there then return there == ARGV[2] and 1 or 0 end
redis.call('HSET', KEYS[1], 'record', ARGV[1], 'sha256', ARGV[2], 'digest', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
"""


class RedisPlanStore:
    """Keep plans in Redis, which forgets them when they expire.

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://``; a password in it is shown nowhere.
        prefix: beginning of every key, so that one Redis can serve several things.
        clock: gives seconds since the epoch.

    Raises:
        ConfigurationError: the redis package is missing, or the URL is none of Redis.
    """

    def __init__(self, url: str, *, prefix: str, clock: Callable[[], float] = time.time) -> None:
        try:
            self._package: Any = importlib.import_module("redis")
        except ImportError:
            raise ConfigurationError(_MISSING) from None
        redact.register_if_long(_password(url))
        try:
            self._redis: Any = self._package.Redis.from_url(
                url, socket_timeout=STATE_LOCK_SECONDS, socket_connect_timeout=STATE_LOCK_SECONDS
            )
        except ValueError:
            raise ConfigurationError(_URL) from None
        self._prefix, self._clock = prefix, clock
        self._put, self._take = self._redis.register_script(_PUT), self._redis.register_script(_TAKE)

    def __repr__(self) -> str:
        return f"RedisPlanStore(prefix={self._prefix!r})"

    def put(self, record: PlanRecord) -> None:
        """Store a plan until it expires, as ``PlanStore.put``."""
        text, check = pack_record(record)
        milliseconds = math.ceil((record.expires - self._clock()) * 1000)
        if milliseconds <= 0:
            return
        key = self._key(record.id, record.principal, record.profile)
        with self._explained():
            stored = self._put(keys=[key], args=[text, check, record.digest, milliseconds])
        if not stored:
            raise StateError("there is a plan of this id already: make a new one")

    def peek(self, plan_id: str, *, principal: str, profile: str) -> PlanRecord:
        """Return a plan and leave it to be applied, as ``PlanStore.peek``."""
        with self._explained():
            found = self._redis.hmget(self._key(plan_id, principal, profile), "record", "sha256")
        return open_record(plan_id, found, self._clock())

    def take(self, plan_id: str, *, principal: str, profile: str, expect: str | None = None) -> PlanRecord:
        """Return a plan and use it up, as ``PlanStore.take``."""
        wanted = ["0", ""] if expect is None else ["1", expect.encode("utf-8", "surrogatepass")]
        with self._explained():
            found = self._take(keys=[self._key(plan_id, principal, profile)], args=wanted)
        if isinstance(found, bytes):
            raise PlanRefusedError(PlanRefusedError.OTHER_ARGUMENTS)
        return open_record(plan_id, found, self._clock(), expect)

    def purge(self) -> int:
        """Return 0: Redis removes expired plans itself."""
        return 0

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()

    def _key(self, plan_id: str, principal: str, profile: str) -> str:
        return f"{self._prefix}{record_key(plan_id, principal, profile)}"

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except self._package.RedisError as problem:
            # The text of such an error may repeat the command, and with it the plan.
            name = type(problem).__name__
            raise StateError(f"{_UNREACHABLE} ({name})", code=name) from None


def _password(url: str) -> str:
    with contextlib.suppress(ValueError):
        return unquote(urlsplit(url).password or "")
    return ""
