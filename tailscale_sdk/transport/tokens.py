"""Where a request's bearer token comes from: constant for an API key, fetched and renewed otherwise."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

from attrs import define, field

from tailscale_sdk._constants import TOKEN_FAILURE_SECONDS
from tailscale_sdk.auth import (
    ApiKey,
    Credential,
    OAuthClient,
    Secret,
    TokenState,
    WorkloadIdentity,
    read_token_answer,
)
from tailscale_sdk.errors import AuthenticationError, ConfigurationError, TailscaleError
from tailscale_sdk.transport.clock import Clock
from tailscale_sdk.transport.decode import load_json
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
        return self.state.token if self.state is not None and not self.state.is_due(now) else None

    def check_failure(self) -> Secret | None:
        """Repeat a failure of a moment ago instead of asking again, unless the old token still lives.

        Raises:
            TailscaleError: the failure.
        """
        if self.failure is None or self.clock.monotonic() - self.failed_at >= TOKEN_FAILURE_SECONDS:
            return None
        return self._fall_back(self.failure)

    def accept(self, reply: Reply, sent_at: float) -> Secret:
        """Keep the token of an answer.

        Raises:
            AuthenticationError: the endpoint refused, or its answer holds no token.
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

    def fail(self, error: TailscaleError) -> Secret:
        """Remember a failed renewal; go on with the old token while it lives.

        Raises:
            TailscaleError: there is no live token.
        """
        self.failure, self.failed_at = error, self.clock.monotonic()
        return self._fall_back(error)

    def _fall_back(self, error: TailscaleError) -> Secret:
        if self.state is not None and self.state.is_live(self.clock.monotonic()):
            return self.state.token
        raise error

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

        Raises:
            TailscaleError: none can be had.
        """
        if self._constant is not None:
            return self._constant
        keeper = _kept(self._keeper)
        if (token := keeper.fresh()) is not None:
            return token
        with self._lock:
            if (token := keeper.fresh() or keeper.check_failure()) is not None:
                return token
            sent_at = self._clock.monotonic()
            try:
                return keeper.accept(
                    self._post_form(keeper.endpoint, keeper.credential.form(), deadline), sent_at
                )
            except ConfigurationError:
                raise
            except TailscaleError as error:
                return keeper.fail(error)

    def invalidate(self, token: Secret) -> bool:
        """Drop a refused token; False when there is no other to be had."""
        if self._keeper is None:
            return False
        with self._lock:
            self._keeper.invalidate(token)
        return True


class AsyncTokenSource:
    """Give the token of each asynchronous request; one task renews, the others wait for it."""

    def __init__(self, credential: Credential, clock: Clock, post_form: AsyncPostForm) -> None:
        self._constant = credential.token if isinstance(credential, ApiKey) else None
        self._keeper = None if isinstance(credential, ApiKey) else TokenKeeper(credential, clock)
        self._clock, self._post_form = clock, post_form
        self._lock: asyncio.Lock | None = None

    @property
    def state(self) -> TokenState | None:
        """Return what the token endpoint last granted; None for an API key or before the first call."""
        return self._keeper.state if self._keeper is not None else None

    async def get(self, deadline: float) -> Secret:
        """Return a token that is good for a request now.

        Raises:
            TailscaleError: none can be had.
        """
        if self._constant is not None:
            return self._constant
        keeper = _kept(self._keeper)
        if (token := keeper.fresh()) is not None:
            return token
        self._lock = self._lock or asyncio.Lock()
        async with self._lock:
            if (token := keeper.fresh() or keeper.check_failure()) is not None:
                return token
            sent_at = self._clock.monotonic()
            try:
                form = keeper.credential.form()
                return keeper.accept(await self._post_form(keeper.endpoint, form, deadline), sent_at)
            except ConfigurationError:
                raise
            except TailscaleError as error:
                return keeper.fail(error)

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


def refuse_token(reply: Reply) -> Reply:
    """Return a 2xx answer of the token endpoint.

    Raises:
        AuthenticationError: it refused; a redirect is a refusal too.
    """
    if 200 <= reply.status < 300:
        return reply
    from tailscale_sdk.errors import status_error

    told = status_error(reply.status, body=reply.body)
    raise AuthenticationError(status=reply.status, message=told.message, operation=ENDPOINT, body=reply.body)
