"""One request and its answer, as the handlers of the embedded tailnet see them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, overload

import orjson
from attrs import define, field, frozen

from tailscale_sdk._generated.operations import Operation

if TYPE_CHECKING:
    from tailscale_sdk.testing.state import Tailnet

T = TypeVar("T")
NO_BODY: Final = object()
KIND_NAMES: Final = {
    str: "a string",
    bool: "true or false",
    int: "an integer",
    float: "a number",
    list: "a list",
    dict: "an object",
}


class Refusal(Exception):
    """Say with which status and message the service turns a request down."""

    def __init__(
        self,
        status: int,
        message: str,
        data: Any = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(f"{status} {message}")
        self.status = status
        self.message = message
        self.data = data
        self.headers = headers

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON body of the error."""
        body: dict[str, Any] = {"message": self.message}
        if self.data is not None:
            body["data"] = self.data
        return body


@frozen
class Answer:
    """Hold what goes back: JSON or exact bytes.

    Attributes:
        status: HTTP status.
        json: value to encode; NO_BODY sends ``body`` as it is.
        body: exact bytes, used when ``json`` is NO_BODY.
        content_type: media type of ``body``; JSON answers always say application/json.
        headers: additional response headers.
        after: called in a worker thread when the answer has been sent.
    """

    status: int = 200
    json: Any = NO_BODY
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    after: Callable[[], None] | None = None


@frozen
class Caller:
    """Say who asks: a person's access token, or a token that belongs to the tailnet.

    Attributes:
        kind: user for API access tokens, tailnet for tokens of OAuth clients and federated identities.
        key_type: api, client or federated: the kind of key behind the token.
        key_id: id of that key.
        scopes: granted scopes; ``all`` for API access tokens.
        tags: tags the token may hand out; empty for API access tokens.
        user_id: id of the person, None for tokens of the tailnet.
        login_name: login name of the person, or the key id.
    """

    kind: Literal["user", "tailnet"]
    key_type: Literal["api", "client", "federated"]
    key_id: str
    login_name: str
    scopes: frozenset[str] = frozenset({"all"})
    tags: tuple[str, ...] = ()
    user_id: str | None = None

    def may(self, *scopes: str) -> bool:
        """Tell whether every named scope is granted; ``X`` covers ``X:read``, ``all`` covers everything."""
        return all(self._covers(scope) for scope in scopes)

    def _covers(self, scope: str) -> bool:
        if "all" in self.scopes or scope in self.scopes:
            return True
        if not scope.endswith(":read"):
            return False
        return "all:read" in self.scopes or scope.removesuffix(":read") in self.scopes


def typed(value: Any, kind: type[T], where: str) -> T:
    """Return a value that has the wanted JSON kind, or refuse the request naming the place."""
    fits = isinstance(value, kind) and not (kind in (int, float) and isinstance(value, bool))
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        fits = True
    if not fits:
        raise Refusal(400, f"{where} must be {KIND_NAMES.get(kind, kind.__name__)}")
    return value  # type: ignore[no-any-return]


@define
class Call:
    """Hold one request after routing, authentication and the check of scopes.

    Attributes:
        operation: what is asked for.
        path: path parameters, percent-decoded.
        query: query parameters in the order they came.
        headers: request headers, names in lower case.
        body: exact body bytes.
        caller: who asks.
        tailnet: state to read and change.
        event_group: id its audit log entries share, made with the first of them.
    """

    operation: Operation
    path: Mapping[str, str]
    query: list[tuple[str, str]]
    headers: Mapping[str, str]
    body: bytes
    caller: Caller
    tailnet: Tailnet
    event_group: str = ""
    _json: Any = field(default=NO_BODY, init=False, repr=False)

    def json(self) -> Any:
        """Return the decoded body.

        Raises:
            Refusal: 400 when the body is empty or not JSON.
        """
        if self._json is NO_BODY:
            if not self.body.strip():
                raise Refusal(400, "unexpected end of JSON input")
            try:
                self._json = orjson.loads(self.body)
            except orjson.JSONDecodeError as error:
                raise Refusal(400, f"the body is not JSON: {error}") from None
        return self._json

    def fields(self) -> dict[str, Any]:
        """Return the body, which has to be a JSON object."""
        return typed(self.json(), dict, "the body")

    @overload
    def field(self, name: str, kind: type[T], required: Literal[True] = True) -> T: ...

    @overload
    def field(self, name: str, kind: type[T], required: Literal[False]) -> T | None: ...

    def field(self, name: str, kind: type[T], required: bool = True) -> T | None:
        """Return one field of the body; an optional one may be absent or null.

        Raises:
            Refusal: 400 when it is missing or of another kind.
        """
        value = self.fields().get(name)
        if value is None:
            if not required:
                return None
            raise Refusal(400, f"{name} is missing: it must be {KIND_NAMES.get(kind, kind.__name__)}")
        return typed(value, kind, name)

    @overload
    def strings(self, name: str, required: Literal[True] = True) -> list[str]: ...

    @overload
    def strings(self, name: str, required: Literal[False]) -> list[str] | None: ...

    def strings(self, name: str, required: bool = True) -> list[str] | None:
        """Return one field of the body that is a list of strings."""
        values = self.field(name, list) if required else self.field(name, list, False)
        if values is None:
            return None
        return [typed(value, str, f"{name}[{index}]") for index, value in enumerate(values)]

    def argument(self, name: str) -> str | None:
        """Return the first query parameter of a name, None when it was not sent."""
        return next((value for key, value in self.query if key == name), None)


Handler = Callable[[Call], Any]
HANDLERS: dict[str, Handler] = {}


def handles(operation_id: str) -> Callable[[Handler], Handler]:
    """Register the function that answers an operation: it returns an Answer or the JSON value of a 200."""

    def register(handler: Handler) -> Handler:
        if operation_id in HANDLERS:
            raise ValueError(f"{operation_id} has a handler already")
        HANDLERS[operation_id] = handler
        return handler

    return register
