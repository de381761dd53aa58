"""Where a request's bearer token comes from: constant for an API key, fetched and renewed otherwise."""

from __future__ import annotations

import asyncio
import copy
import threading
from collections.abc import Awaitable, Callable

from attrs import define, field

from tailscale_sdk._constants import TOKEN_FAILURE_SECONDS, TOKEN_RENEWAL_SECONDS, TOTAL_TIMEOUT_SECONDS
from tailscale_sdk.auth import (
    ApiKey,
    Credential,
    OAuthClient,
    Secret,
    TokenState,
    WorkloadIdentity,
    read_token_answer,
)
from tailscale_sdk.errors import (
    APIConnectionError,
    APITimeoutError,
    AuthenticationError,
    ConfigurationError,
    TailscaleError,
)
from tailscale_sdk.transport.clock import Clock
from tailscale_sdk.transport.decode import load_json
from tailscale_sdk.transport.error_answers import status_error
from tailscale_sdk.transport.reply import Reply

CLIENT_PATH = "/oauth/token"
EXCHANGE_PATH = "/oauth/token-exchange"
ENDPOINT = "token endpoint"
PostForm = Callable[[str, dict[str, str], float], Reply]
AsyncPostForm = Callable[[str, dict[str, str], float], Awaitable[Reply]]


@define
class TokenKeeper:
    """Decide, without any I/O, whether a token is at hand, due or refused a moment ago."""

    credential: OAuthClient | WorkloadIdentity
    clock: Clock
    state: TokenState | None = None
    failure: TailscaleError | None = None
    failed_at: float = 0.0
    endpoint: str = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.endpoint = CLIENT_PATH if isinstance(self.credential, OAuthClient) else EXCHANGE_PATH

    def fresh(self) -> Secret | None:
        """Return a token that needs no renewal yet."""
        now = self.clock.monotonic()
        state = self.state
        return state.token if state is not None and not state.is_due(now) else None

    def live(self) -> Secret | None:
        """Return a token that still works, though it may be due."""
        state = self.state
        return state.token if state is not None and state.is_live(self.clock.monotonic()) else None

    def check_failure(self) -> Secret | None:
        """Repeat a failure of a moment ago instead of asking again, unless the old token still lives.

        Raises:
            TailscaleError: the failure.
        """
        if self.failure is None or self.clock.monotonic() - self.failed_at >= TOKEN_FAILURE_SECONDS:
            return None
        return self._fall_back(self.failure)

    def renew_until(self, deadline: float) -> float:
        """Return the end of a renewal; while the old token lives it must leave time for the call itself."""
        if self.live() is None:
            return deadline
        now = self.clock.monotonic()
        return now + min(TOKEN_RENEWAL_SECONDS, max(deadline - now, 0.0) / 2)

    def accept(self, reply: Reply, sent_at: float) -> Secret:
        """Keep the token of an answer.

        Raises:
            AuthenticationError: the answer holds no token.
        """
        try:
            answer = load_json(reply.body)
        except ValueError:
            answer = None
        state = read_token_answer(answer, sent_at)
        if state is None:
            raise AuthenticationError(
                status=reply.status, message="the answer holds no token", operation=ENDPOINT
            )
        self.state, self.failure = state, None
        return state.token

    def fail(self, error: TailscaleError, *, remember: bool = True) -> Secret:
        """Note a failed renewal; go on with the old token while it lives.

        Raises:
            TailscaleError: there is no live token.
        """
        if remember:
            self.failure, self.failed_at = error, self.clock.monotonic()
        return self._fall_back(error)

    def _fall_back(self, error: TailscaleError) -> Secret:
        token = self.live()
        if token is None:
            raise again(error)
        return token

    def invalidate(self, token: Secret) -> None:
        """Drop a token the service did not accept, unless a newer one is kept already."""
        if self.state is not None and self.state.token == token:
            self.state = None


class TokenSource:
    """Give the token of each synchronous request; one thread renews, the others wait for it."""

    def __init__(self, credential: Credential, clock: Clock, post_form: PostForm) -> None:
        self._constant = credential.token if isinstance(credential, ApiKey) else None
        self._keeper = None if isinstance(credential, ApiKey) else TokenKeeper(credential, clock)
        self._clock, self._post_form, self._lock = clock, post_form, threading.Lock()

    @property
    def state(self) -> TokenState | None:
        """Return what the token endpoint last granted; None for an API key or before the first call."""
        return self._keeper.state if self._keeper is not None else None

    def get(self, deadline: float) -> Secret:
        """Return a token that is good for a request now.

        Args:
            deadline: end of the call on the clock.

        Raises:
            TailscaleError: none can be had.
        """
        if self._constant is not None:
            return self._constant
        keeper = _kept(self._keeper)
        if (token := keeper.fresh()) is not None:
            return token
        if not self._lock.acquire(blocking=False):
            if (token := keeper.live()) is not None:
                return token
            if not self._lock.acquire(timeout=max(deadline - self._clock.monotonic(), 0.0)):
                raise late()
        try:
            return keeper.fresh() or keeper.check_failure() or self._renew(keeper, deadline)
        finally:
            self._lock.release()

    def _renew(self, keeper: TokenKeeper, deadline: float) -> Secret:
        sent_at = self._clock.monotonic()
        until = keeper.renew_until(deadline)
        try:
            return keeper.accept(self._post_form(keeper.endpoint, keeper.credential.form(), until), sent_at)
        except TailscaleError as error:
            # A caller that ran out of its own time has learnt nothing about the endpoint.
            return keeper.fail(error, remember=self._clock.monotonic() < deadline)

    def invalidate(self, token: Secret) -> bool:
        """Drop a refused token; False when there is no other to be had."""
        if self._keeper is None:
            return False
        with self._lock:
            self._keeper.invalidate(token)
        return True


@define(eq=False)
class _Renewal:
    """Share one token request between the tasks that wait for it."""

    task: asyncio.Task[Secret | TailscaleError]
    waiting: int = 0


class AsyncTokenSource:
    """Give the token of each asynchronous request; one task renews, whoever needs a token waits for it."""

    def __init__(self, credential: Credential, clock: Clock, post_form: AsyncPostForm) -> None:
        self._constant = credential.token if isinstance(credential, ApiKey) else None
        self._keeper = None if isinstance(credential, ApiKey) else TokenKeeper(credential, clock)
        self._clock, self._post_form = clock, post_form
        self._renewal: _Renewal | None = None

    @property
    def state(self) -> TokenState | None:
        """Return what the token endpoint last granted; None for an API key or before the first call."""
        return self._keeper.state if self._keeper is not None else None

    async def get(self, deadline: float) -> Secret:
        """Return a token that is good for a request now; the caller's own timeout ends the waiting.

        Args:
            deadline: end of the call on the clock.

        Raises:
            TailscaleError: none can be had.
        """
        if self._constant is not None:
            return self._constant
        keeper = _kept(self._keeper)
        if (token := keeper.fresh()) is not None:
            return token
        if self._renewal is None:
            if (token := keeper.check_failure()) is not None:
                return token
            self._renewal = _Renewal(asyncio.create_task(self._renew(keeper, deadline)))
        elif (token := keeper.live()) is not None:
            return token
        return await self._wait_for(self._renewal)

    async def _wait_for(self, renewal: _Renewal) -> Secret:
        renewal.waiting += 1
        try:
            # Shielded: a cancelled call must not take the token away from those that wait beside it.
            outcome = await asyncio.shield(renewal.task)
        finally:
            renewal.waiting -= 1
            if not renewal.waiting:
                renewal.task.cancel()
            if self._renewal is renewal and (not renewal.waiting or renewal.task.done()):
                self._renewal = None
        if isinstance(outcome, TailscaleError):
            raise again(outcome)
        return outcome

    async def _renew(self, keeper: TokenKeeper, deadline: float) -> Secret | TailscaleError:
        sent_at = self._clock.monotonic()
        if keeper.live() is not None:
            until = keeper.renew_until(deadline)
        else:
            # Others with more time may wait for it too: the first caller's deadline is not the measure.
            until = max(deadline, sent_at + TOTAL_TIMEOUT_SECONDS)
        try:
            return await self._request(keeper, sent_at, until)
        except TailscaleError as error:
            try:
                return keeper.fail(error)
            except TailscaleError as final:
                return final

    async def _request(self, keeper: TokenKeeper, sent_at: float, until: float) -> Secret:
        try:
            async with asyncio.timeout(until - sent_at):
                reply = await self._post_form(keeper.endpoint, keeper.credential.form(), until)
        except TimeoutError:
            raise late() from None
        return keeper.accept(reply, sent_at)

    def invalidate(self, token: Secret) -> bool:
        """Drop a refused token; False when there is no other to be had."""
        if self._keeper is None:
            return False
        self._keeper.invalidate(token)
        return True


def _kept(keeper: TokenKeeper | None) -> TokenKeeper:
    if keeper is None:
        raise ConfigurationError("this credential has no token endpoint")
    return keeper


def again(error: TailscaleError) -> TailscaleError:
    """Copy an error that several calls raise: a traceback belongs to one of them."""
    twin = copy.copy(error)
    twin.__cause__ = error.__cause__
    return twin


def late() -> APITimeoutError:
    """Say that no token came before the time was over."""
    return APITimeoutError(f"{ENDPOINT}: no answer in time", operation=ENDPOINT, phase="auth")


def refuse_token(reply: Reply) -> Reply:
    """Return a 2xx answer of the token endpoint.

    Raises:
        AuthenticationError: it refused; a redirect is a refusal too, credentials never follow one.
        APIConnectionError: it failed or asks to wait, which says nothing about the credential.
    """
    if 200 <= reply.status < 300:
        return reply
    told = status_error(reply.status, body=reply.body).message
    if reply.status >= 500 or reply.status in {408, 429}:
        raise APIConnectionError(
            f"{ENDPOINT}: {reply.status} {told or 'without a message'}", operation=ENDPOINT, phase="auth"
        )
    raise AuthenticationError(status=reply.status, message=told, operation=ENDPOINT, body=reply.body)
