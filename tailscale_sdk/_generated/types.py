"""The runtime every generated module stands on: wire requests, lazy models, decoders."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, Self, TypeVar
from urllib.parse import quote

import orjson
from attrs import define, field, frozen

M = TypeVar("M", bound="Model")
T = TypeVar("T")
V = TypeVar("V")
Decoder = Callable[[Any], Any]

# Stands for "not given" while a model is constructed; no slot holds it afterwards.
ABSENT: Any = object()


class UnexpectedShape(Exception):
    """Say that JSON has the wrong outermost kind, or a list of objects holds something else."""

    def __init__(self, json_path: str, *, expected: str, found: str) -> None:
        super().__init__(f"{json_path}: expected {expected}, found {found}")
        self.json_path = json_path
        self.expected = expected
        self.found = found


@frozen
class WireRequest:
    """Hold one request below ``/api/v2``, down to the exact body bytes."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    content: bytes | None = None
    content_type: str | None = None
    accept: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


# --- requests ---------------------------------------------------------------------------------

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def path_segment(name: str, value: str) -> str:
    """Percent-encode one path value, refusing what could change which resource is addressed."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, not {type(value).__name__}")
    if not value or value in {".", ".."}:
        raise ValueError(f'{name} must not be empty, "." or ".."')
    if _CONTROL.search(value):
        raise ValueError(f"{name} must not contain control characters")
    try:
        return quote(value, safe="")
    except UnicodeEncodeError:
        raise ValueError(f"{name} must be valid Unicode text") from None


def rfc3339(value: datetime) -> str:
    """Write a time as the API reads it; a time without a zone is refused, it could mean any."""
    if value.tzinfo is None:
        raise ValueError("a datetime without a time zone is ambiguous: pass one with tzinfo, for example UTC")
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _query_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return rfc3339(value)
    return str(value)


def query_pairs(*pairs: tuple[str, Any]) -> tuple[tuple[str, str], ...]:
    """Flatten query values: None is left out, a list becomes one pair per element."""
    flat: list[tuple[str, str]] = []
    for name, value in pairs:
        if value is None:
            continue
        if isinstance(value, (list, tuple, set, frozenset)):
            flat.extend((name, _query_text(element)) for element in value)
        else:
            flat.append((name, _query_text(value)))
    return tuple(flat)


def filter_pairs(filters: Mapping[str, Any] | None) -> tuple[tuple[str, Any], ...]:
    """Turn ``{"tags": ["tag:a", "tag:b"]}`` into query pairs of the same names."""
    return tuple(filters.items()) if filters else ()


def header_pairs(*pairs: tuple[str, str | None]) -> tuple[tuple[str, str], ...]:
    """Keep the headers that have a value; a line break in one is refused."""
    kept = tuple((name, value) for name, value in pairs if value is not None)
    for name, value in kept:
        if _CONTROL.search(value):
            raise ValueError(f"{name} must not contain control characters")
    return kept


def body_fields(*fields: tuple[str, Any]) -> dict[str, Any]:
    """Collect the body fields that were given; None means "leave it out"."""
    return {name: value for name, value in fields if value is not None}


def array(name: str, value: Iterable[T] | None) -> list[T] | None:
    """Accept any iterable as a JSON array, but never a lone string: it would be cut into letters."""
    if value is None:
        return None
    if isinstance(value, (str, bytes, Mapping)):
        raise TypeError(f"{name} must be a list, not {type(value).__name__}")
    return list(value)


def _jsonable(value: Any) -> Any:
    if isinstance(value, Model):
        return value.to_dict()
    if isinstance(value, (Mapping, MapModel)):
        return dict(value.items())
    if isinstance(value, (tuple, set, frozenset)):
        return list(value)
    raise TypeError(f"{type(value).__name__} cannot be sent as JSON")


def _encode_default(value: Any) -> Any:
    return rfc3339(value) if isinstance(value, datetime) else _jsonable(value)


def encode_json(value: Any) -> bytes:
    """Serialise a request body; models and times with a zone may stand anywhere in it."""
    return orjson.dumps(value, default=_encode_default, option=orjson.OPT_PASSTHROUGH_DATETIME)


def policy_body(body: Any) -> tuple[bytes, str]:
    """Send policy text as HuJSON, byte for byte, and anything else as JSON."""
    if isinstance(body, bytes):
        return body, "application/hujson"
    if isinstance(body, str):
        return body.encode(), "application/hujson"
    return encode_json(body), "application/json"


# --- decoders: one JSON value in, one Python value or None out; none of them raises -------------


def decode_any(value: Any) -> Any:
    return value


def decode_text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def decode_identifier(value: Any) -> str | None:
    """Ids are text whatever the service sends; a float has lost digits already and is refused."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def decode_integer(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,20}", value):
        return int(value)
    return None


def decode_number(value: Any) -> float | None:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def decode_boolean(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def decode_moment(value: Any) -> datetime | None:
    """Read RFC 3339; "", null and the year-1 zero time of Go are "no time"."""
    if not isinstance(value, str) or len(value) < 19 or value.startswith("0001-"):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def list_of(element: Decoder) -> Decoder:
    """Decode an array; null, absent and a value of another kind read as the empty list."""

    def decode(value: Any) -> list[Any]:
        if not isinstance(value, list):
            return []
        return [decoded for raw in value if (decoded := element(raw)) is not None]

    return decode


def nullable(decoder: Decoder) -> Decoder:
    """Keep null apart from an empty array where null has a meaning of its own."""

    def decode(value: Any) -> Any:
        return None if value is None else decoder(value)

    return decode


def one_of(*decoders: Decoder) -> Decoder:
    """Take the first decoder that reads the value."""

    def decode(value: Any) -> Any:
        return next((read for decoder in decoders if (read := decoder(value)) is not None), None)

    return decode


def nested(module: str, name: str) -> Decoder:
    """Decode an object with a model class that is imported when the first one is read."""
    found: list[type[Model]] = []

    def decode(value: Any) -> Model | None:
        if not isinstance(value, dict):
            return None
        if not found:
            found.append(getattr(importlib.import_module(f"{__package__}.models.{module}"), name))
        return found[0]._over(value)

    return decode


# --- models -----------------------------------------------------------------------------------


class FieldSpec(NamedTuple):
    """Connect a Python attribute with its API name and decoder."""

    api_name: str
    decode: Decoder


def mask(value: Any) -> str:
    """Stand in for a secret in a repr."""
    return "None" if value is None else "'***'"


def encode_value(value: Any) -> Any:
    """Turn a decoded value back into API JSON, copying every container."""
    if isinstance(value, Model):
        return value.to_dict()
    if isinstance(value, dict):
        return {key: encode_value(element) for key, element in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode_value(element) for element in value]
    return rfc3339(value) if isinstance(value, datetime) else value


class Model:
    """Read an API object lazily: each field is decoded when it is first touched.

    The object the service sent stays as it came; ``to_dict()`` returns it with only those
    fields replaced that were changed, so unknown fields and odd values survive a round trip.
    """

    __slots__ = ("_source",)
    _source: dict[str, Any]
    _fields: ClassVar[Mapping[str, FieldSpec]] = {}
    _api_names: ClassVar[frozenset[str]] = frozenset()
    _extra_values: ClassVar[FieldSpec] = FieldSpec("*", decode_any)

    @classmethod
    def from_dict(cls, source: Mapping[str, Any]) -> Self:
        """Wrap an API object.

        Args:
            source: the JSON object, with the API's own field names.

        Raises:
            TypeError: source is not a mapping.
        """
        if not isinstance(source, Mapping):
            raise TypeError(f"{cls.__name__}.from_dict needs a mapping, not {type(source).__name__}")
        return cls._over(dict(source))

    @classmethod
    def _over(cls, source: dict[str, Any]) -> Self:
        model = cls.__new__(cls)
        model._source = source
        return model

    def __attrs_post_init__(self) -> None:
        self._source = {}
        for name, spec in self._fields.items():
            value = getattr(self, name)
            if value is ABSENT or value is None:
                object.__delattr__(self, name)
            else:
                self._source[spec.api_name] = encode_value(value)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            value: Any
            spec = type(self)._fields.get(name)
            if spec is not None:
                value = spec.decode(self._source.get(spec.api_name))
            elif name == "additional_properties":
                value = self._extra()
            else:
                raise AttributeError(f"{type(self).__name__} has no field {name!r}")
            setattr(self, name, value)
            return value

    def _extra(self) -> dict[str, Any]:
        known, decode = self._api_names, self._extra_values.decode
        return {key: decode(value) for key, value in self._source.items() if key not in known}

    def to_dict(self) -> dict[str, Any]:
        """Return the API object: as it was received, with what was changed laid over it."""
        result: dict[str, Any] = encode_value(self._source)
        for name, spec in self._fields.items():
            value = self._touched(name)
            if value is not ABSENT:
                _overlay(result, spec.api_name, value, spec.decode(self._source.get(spec.api_name)))
        extra = self._touched("additional_properties")
        if extra is not ABSENT:
            received = self._extra()
            for key in received.keys() - extra.keys():
                result.pop(key, None)
            for key, value in extra.items():
                if key not in received or encode_value(value) != encode_value(received[key]):
                    result[key] = encode_value(value)
        return result

    def _touched(self, name: str) -> Any:
        try:
            return object.__getattribute__(self, name)
        except AttributeError:
            return ABSENT

    def __reduce__(self) -> tuple[Callable[..., Self], tuple[dict[str, Any]]]:
        return self.from_dict, (self.to_dict(),)


def _overlay(result: dict[str, Any], api_name: str, value: Any, received: Any) -> None:
    encoded = encode_value(value)
    if encoded == encode_value(received):
        return
    if value is None:
        result.pop(api_name, None)
    else:
        result[api_name] = encoded


class MapModel(Model, Generic[V]):
    """Read an API object whose keys are data, such as domains or attribute names, like a dict."""

    __slots__ = ()

    if TYPE_CHECKING:
        additional_properties: dict[str, V]

    def __getitem__(self, key: str) -> V:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: V) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: object) -> bool:
        return key in self.additional_properties

    def __iter__(self) -> Iterator[str]:
        return iter(self.additional_properties)

    def __len__(self) -> int:
        return len(self.additional_properties)

    def get(self, key: str, default: V | None = None) -> V | None:
        """Return the value under a key, or the default."""
        return self.additional_properties.get(key, default)

    def keys(self) -> KeysView[str]:
        """Return the keys, as a dict does."""
        return self.additional_properties.keys()

    def values(self) -> ValuesView[V]:
        """Return the values, as a dict does."""
        return self.additional_properties.values()

    def items(self) -> ItemsView[str, V]:
        """Return key and value pairs, as a dict does."""
        return self.additional_properties.items()


# --- whole bodies -----------------------------------------------------------------------------

_KINDS = {dict: "object", list: "array", str: "string", bool: "boolean", int: "number", float: "number"}


def _kind(value: Any) -> str:
    return "null" if value is None else _KINDS.get(type(value), type(value).__name__)


def parse_model(data: Any, model: type[M], *, null: bool = False) -> M:
    """Wrap a body that must be one object; where the service is known to answer null, an empty one."""
    if isinstance(data, dict):
        return model._over(data)
    if data is None and null:
        return model._over({})
    raise UnexpectedShape("$", expected="object", found=_kind(data))


def _elements(data: Any, key: str | None) -> tuple[list[Any], str]:
    """Find the array of a list answer; null and absent are the empty list."""
    path = "$"
    if key is not None and data is not None:
        if not isinstance(data, dict):
            raise UnexpectedShape(path, expected="object", found=_kind(data))
        data, path = data.get(key), f"$.{key}"
    if data is None:
        return [], path
    if not isinstance(data, list):
        raise UnexpectedShape(path, expected="array", found=_kind(data))
    return data, path


def parse_models(data: Any, model: type[M], key: str | None = None) -> list[M]:
    """Wrap every object of a list answer; null elements are skipped, nothing else is lost."""
    elements, path = _elements(data, key)
    over = model._over
    models = []
    for index, element in enumerate(elements):
        if isinstance(element, dict):
            models.append(over(element))
        elif element is not None:
            raise UnexpectedShape(f"{path}[{index}]", expected="object", found=_kind(element))
    return models


def parse_values(data: Any, element: Decoder, key: str | None = None) -> list[Any]:
    """Decode a list answer of plain values."""
    elements, _ = _elements(data, key)
    return [decoded for raw in elements if (decoded := element(raw)) is not None]


__all__ = ["MapModel", "Model", "UnexpectedShape", "WireRequest", "define", "field"]
