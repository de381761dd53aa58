"""The base of every resource: it holds the channel its calls go through."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

if TYPE_CHECKING:
    from tailscale_sdk._generated.types import WireRequest
    from tailscale_sdk.transport.channel import AsyncChannel, Channel
    from tailscale_sdk.transport.reply import RawResponse

P = ParamSpec("P")
T = TypeVar("T")


class Resource:
    """Hold the synchronous channel of one area of the API."""

    __slots__ = ("_channel",)

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def _create(self, operation_id: str, request: WireRequest, parse: Callable[[Any], T]) -> T:
        """Send a creation, which is never repeated blindly."""
        from tailscale_sdk.calls.creation import create

        return create(self, operation_id, request, parse)


class AsyncResource:
    """Hold the asynchronous channel of one area of the API."""

    __slots__ = ("_channel",)

    def __init__(self, channel: AsyncChannel) -> None:
        self._channel = channel

    async def _create(self, operation_id: str, request: WireRequest, parse: Callable[[Any], T]) -> T:
        """Send a creation, which is never repeated blindly."""
        from tailscale_sdk.calls.creation import create_async

        return await create_async(self, operation_id, request, parse)


def raw(method: Callable[P, T]) -> Callable[P, RawResponse[T]]:
    """Type a method of a resource over a raw channel as what it then returns."""
    return cast("Callable[P, RawResponse[T]]", method)


def async_raw(
    method: Callable[P, Coroutine[Any, Any, T]],
) -> Callable[P, Coroutine[Any, Any, RawResponse[T]]]:
    """Type an asynchronous method over a raw channel as what it then returns."""
    return cast("Callable[P, Coroutine[Any, Any, RawResponse[T]]]", method)
