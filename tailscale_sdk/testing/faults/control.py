"""What plays which fault, and what was seen: the part of the fault server a test holds in its hand."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from random import Random
from urllib.parse import urlsplit

from attrs import define

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.testing import DEFAULT_SEED
from tailscale_sdk.testing.exchange import Refusal
from tailscale_sdk.testing.faults.messages import Head
from tailscale_sdk.testing.faults.reading import FaultSource, RuleSource, build_rule, read_rules
from tailscale_sdk.testing.faults.rules import Rule
from tailscale_sdk.testing.faults.table import When
from tailscale_sdk.testing.routing import PREFIX, build_router
from tailscale_sdk.testing.tokens import PATHS

OTHER_URL = "http://127.0.0.1:9"
SETTLE_SECONDS = 10.0


@define
class SeenRequest:
    """Describe one request and what became of it.

    Attributes:
        number: from 1, in the order they came.
        connection: number of the connection it came on, from 1.
        method: HTTP method.
        path: path below ``/api/v2`` as sent, without the query; elsewhere the whole path.
        query: query string as sent.
        operation: operation id, ``oauth/token`` or ``oauth/token-exchange``; None for anything else.
        fault: what was played, as ``Rule.name`` says it; None when it was answered truly.
        when: when the fault struck.
        service_status: status the embedded tailnet answered; None while or if it never saw the request.
        status: status that was sent to the client, None if there was none.
        time: seconds of ``time.monotonic()``.
    """

    number: int
    connection: int
    method: str
    path: str
    query: str
    operation: str | None
    time: float
    fault: str | None = None
    when: When | None = None
    service_status: int | None = None
    status: int | None = None

    @property
    def forwarded(self) -> bool:
        """Tell whether the embedded tailnet got and answered it."""
        return self.service_status is not None


class Faults:
    """Hold the rules of a fault server and the requests it saw.

    Args:
        rules: a fault file, its content, or a list of rules.
        seed: decides for every probability; the seed of the file if not given.
        sleep: how the server waits, called with seconds in its own event loop.
        other_url: origin to which ``redir_host`` points; by default one where nobody listens.

    Raises:
        ConfigurationError: the file cannot be read, or a value in it is not accepted: its path is named.
    """

    def __init__(
        self,
        rules: FaultSource = (),
        *,
        seed: int | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        other_url: str = OTHER_URL,
    ) -> None:
        content = read_rules(rules)
        self.requests: list[SeenRequest] = []
        self.sleep, self.other_url = sleep, _origin(other_url)
        self._seed = next(s for s in (seed, content.seed, DEFAULT_SEED) if s is not None)
        self._condition = threading.Condition()
        self._made, self._connections, self._unsettled = 0, 0, 0
        self._rules = [
            self._build(rule, f"{content.place}rules[{index}]") for index, rule in enumerate(content.rules)
        ]

    def _build(self, source: RuleSource, where: str) -> Rule:
        self._made += 1
        return build_rule(source, where, Random(f"{self._seed}/{self._made}"))

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules, in the order in which they are tried; each counts what it matched and played."""
        return tuple(self._rules)

    def add(self, rule: RuleSource) -> Rule:
        """Add a rule behind the others; it counts requests from now on.

        Args:
            rule: as an entry of ``rules`` in a fault file.

        Raises:
            ConfigurationError: a value is not accepted.
        """
        with self._condition:
            built = self._build(rule, "rule")
            self._rules.append(built)
        return built

    def clear(self) -> None:
        """Forget every rule; what was seen stays in ``requests``, which may be cleared itself."""
        with self._condition:
            self._rules.clear()

    def of(self, operation: str) -> list[SeenRequest]:
        """Return the requests of one operation, in the order they came."""
        return [seen for seen in list(self.requests) if seen.operation == operation]

    def settle(self, timeout: float = SETTLE_SECONDS) -> None:
        """Wait until each request that is to be carried out has been, the delayed ones too.

        Args:
            timeout: real seconds.

        Raises:
            TimeoutError: a request is still on its way to the embedded tailnet.
        """
        with self._condition:
            if not self._condition.wait_for(lambda: self._unsettled == 0, timeout):
                raise TimeoutError(f"{self._unsettled} requests were not carried out within {timeout:g} s")

    def next_connection(self) -> int:
        """Number a new connection."""
        self._connections += 1
        return self._connections

    def note(self, head: Head, connection: int) -> tuple[SeenRequest, Rule | None]:
        """Write a request down and choose the fault it meets."""
        path, _, query = head.target.partition("?")
        below = path.removeprefix(PREFIX) if path.startswith(f"{PREFIX}/") else None
        operation = operation_of(head.method, path)
        with self._condition:
            due = [r for r in self._rules if below is not None and r.is_due(operation, below)]
            rule = due[0] if due else None
            seen = SeenRequest(
                number=len(self.requests) + 1,
                connection=connection,
                method=head.method,
                path=path if below is None else below,
                query=query,
                operation=operation,
                time=time.monotonic(),
            )
            if rule is not None:
                rule.played += 1
                seen.fault, seen.when = rule.name, rule.when if rule.fault is not None else None
            self.requests.append(seen)
        return seen, rule

    def begin(self) -> None:
        """Say that a request may have to be carried out; ``settled`` has to follow."""
        with self._condition:
            self._unsettled += 1

    def settled(self) -> None:
        """Say that a request was carried out, or will never be."""
        with self._condition:
            self._unsettled -= 1
            self._condition.notify_all()


def operation_of(method: str, path: str) -> str | None:
    """Return the operation a request asks for, None when there is no such one."""
    if path in PATHS:
        return path.removeprefix(f"{PREFIX}/")
    try:
        return build_router().find(method, path).operation.operation_id
    except Refusal:
        return None


def _origin(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path not in {"", "/"}:
        raise ConfigurationError(f"other_url: must be an origin such as {OTHER_URL}, found {url!r}")
    return f"{parts.scheme}://{parts.netloc}"
