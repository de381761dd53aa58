"""What happens between knowing who calls and serving them: their limits, their body, their scopes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import define, field, frozen
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser

from mcp_adapter.answers import refuse
from mcp_adapter.bodies import BadBody, Gone, look_at, read_body, replay
from mcp_adapter.caller_scopes import READ, SCOPES
from mcp_adapter.limits import STRANGERS, Allowance, Busy, Callers, address_block
from mcp_adapter.principal import principal_of

PATH = "/mcp"
_CLOSE = ((b"connection", b"close"),)
_WITHOUT_TOKEN = (b"authorization", b"Bearer ***")


@frozen
class Challenge:
    """Write what a caller must ask for who lacks a scope.

    Attributes:
        metadata_url: where a client learns who issues tokens; None where nobody does.
    """

    metadata_url: str | None = None

    def header(self, scope: str) -> tuple[bytes, bytes]:
        """Return the header that names a missing scope."""
        parts = ['error="insufficient_scope"', f'scope="{scope}"']
        if self.metadata_url:
            parts.append(f'resource_metadata="{self.metadata_url}"')
        return b"www-authenticate", f"Bearer {', '.join(parts)}".encode()


@define(eq=False)
class CallerGate:
    """Hold each caller to their limits, and hand on what is theirs to ask for.

    Args:
        app: serves the request.
        allowance: of a caller with a valid token.
        needed: scope of each tool, by name.
        challenge: what a missing scope is answered with.
    """

    app: Any
    allowance: Allowance
    needed: Mapping[str, str] = field(factory=dict)
    challenge: Challenge = field(factory=Challenge)
    callers: Callers = field(init=False)
    strangers: Callers = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.callers, self.strangers = Callers(self.allowance), Callers(STRANGERS)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a request, or say why not."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        user = scope.get("user")
        try:
            if not isinstance(user, AuthenticatedUser):
                self.strangers.enter(address_block(scope.get("client")))
                await self.app(scope, receive, send)
                return
            caller = self.callers.enter(principal_of(user.access_token))
            async with caller.turn():
                await self._serve(user, scope, receive, send)
        except Busy as problem:
            await refuse(send, 429, str(problem), retry_after=problem.retry_after)

    async def _serve(self, user: AuthenticatedUser, scope: Any, receive: Any, send: Any) -> None:
        headers = [
            _WITHOUT_TOKEN if name == b"authorization" else (name, value) for name, value in scope["headers"]
        ]
        scope = {**scope, "headers": headers}
        tool = None
        if scope["method"] == "POST" and scope["path"] == PATH:
            try:
                body = await read_body(receive)
                message = look_at(body)
            except Gone:
                return
            except BadBody as problem:
                closing = _CLOSE if problem.status == 413 else ()
                await refuse(
                    send,
                    problem.status,
                    str(problem),
                    code=problem.code,
                    request_id=problem.request_id,
                    headers=closing,
                )
                return
            tool, receive = message.tool, replay(body, receive)
            missing = self._missing(user.scopes, tool)
            if missing is not None:
                text = f"this token lacks the scope {missing}"
                await refuse(
                    send, 403, text, request_id=message.id, headers=(self.challenge.header(missing),)
                )
                return
        await self.app(scope, receive, send)

    def _missing(self, granted: list[str], tool: str | None) -> str | None:
        if not set(SCOPES).intersection(granted):
            return READ
        needed = self.needed.get(tool) if tool is not None else None
        return needed if needed is not None and needed not in granted else None
