"""Fault rules read from a file or from Python, refused in words when they make no sense."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from random import Random
from typing import Any, Final, TypeGuard

import orjson
from attrs import frozen

from tailscale_sdk._generated.operations import OPERATIONS
from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.testing.faults.messages import JSON_TYPE, Answer, Headers
from tailscale_sdk.testing.faults.rules import Rule
from tailscale_sdk.testing.faults.table import FAULTS, HEAD, Fault, When

RuleSource = Mapping[str, Any]
FaultSource = str | Path | Mapping[str, Any] | Iterable[RuleSource]
TOKEN_OPERATIONS: Final = ("oauth/token", "oauth/token-exchange")
KEYS: Final = ("operation", "path", "nth", "probability", "times", "when", "fault", "delay")
ANSWER_KEYS: Final = ("status", "headers", "body")
MAX_DELAY_SECONDS: Final = 3600.0
FILE_CAP_BYTES: Final = 16 * 1024 * 1024
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


@frozen
class RuleFile:
    """Hold what a fault file says."""

    rules: tuple[RuleSource, ...]
    seed: int | None = None
    place: str = ""


def read_rules(source: FaultSource) -> RuleFile:
    """Return the rules of a file, of its content, or of a list.

    Raises:
        ConfigurationError: the file cannot be read, or it is not of this form.
    """
    place = ""
    if isinstance(source, str | Path):
        source, place = _load(Path(source)), f"{source}: "
    if not isinstance(source, Mapping):
        return RuleFile(tuple(source))
    _check_keys(source, ("rules", "seed"), place)
    rules, seed = source.get("rules"), source.get("seed")
    if not isinstance(rules, list | tuple):
        raise ConfigurationError(f"{place}rules: must be a list of rules, found {_kind(rules)}")
    if seed is not None and not _is_int(seed):
        raise ConfigurationError(f"{place}seed: must be an integer, found {_kind(seed)}")
    return RuleFile(tuple(rules), seed, place)


def _load(path: Path) -> Mapping[str, Any]:
    try:
        with path.open("rb") as file:
            content = orjson.loads(file.read(FILE_CAP_BYTES))
    except (OSError, ValueError) as error:
        if isinstance(error, orjson.JSONDecodeError):
            where = f"line {error.lineno}, column {error.colno}: {error.msg}"
            raise ConfigurationError(f"{path}: {where}") from None
        reason = getattr(error, "strerror", None) or "this is no path"
        raise ConfigurationError(f"{path}: cannot be read: {reason}") from None
    if not isinstance(content, dict):
        raise ConfigurationError(f'{path}: must be an object {{"rules": [...]}}, found {_kind(content)}')
    return content


def build_rule(source: RuleSource, where: str, random: Random) -> Rule:
    """Return the rule a mapping describes.

    Args:
        source: one entry of ``rules``.
        where: its JSON path, for the error text.
        random: decides for a probability.

    Raises:
        ConfigurationError: a value is not accepted; its path and what is accepted are named.
    """
    if not isinstance(source, Mapping):
        raise ConfigurationError(f"{where}: must be an object, found {_kind(source)}")
    _check_keys(source, KEYS, f"{where}.")
    for one, other in (("operation", "path"), ("nth", "probability")):
        if source.get(one) is not None and source.get(other) is not None:
            raise ConfigurationError(f"{where}: give {one} or {other}, not both")
    fault = _read_fault(source.get("fault"), f"{where}.fault")
    delay = _read_number(source.get("delay"), f"{where}.delay", MAX_DELAY_SECONDS) or 0.0
    if fault is None and not delay:
        raise ConfigurationError(f"{where}.fault: is missing; give a fault, a delay above 0, or both")
    nth, probability = _read_nth(source.get("nth"), f"{where}.nth"), source.get("probability")
    share = _read_number(probability, f"{where}.probability", 1.0)
    if nth is None and share is None and isinstance(fault, Fault):
        share = fault.probability
    times = source.get("times")
    return Rule(
        operation=_read_operation(source.get("operation"), f"{where}.operation"),
        path=_read_path(source.get("path"), f"{where}.path"),
        nth=nth,
        probability=share,
        times=None if times is None else _read_count(times, f"{where}.times"),
        fault=fault,
        when=_read_when(source.get("when"), fault, f"{where}.when"),
        delay=delay,
        random=random,
    )


def _check_keys(source: Mapping[str, Any], known: tuple[str, ...], before: str) -> None:
    for key in source:
        if key not in known:
            raise ConfigurationError(f"{before}{key}: is no key here; known are {', '.join(known)}")


def _read_operation(value: Any, where: str) -> str | None:
    if value is None:
        return None
    known = [*OPERATIONS, *TOKEN_OPERATIONS]
    if value in known:
        return str(value)
    near = difflib.get_close_matches(str(value), known, n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise ConfigurationError(
        f"{where}: {value!r} is no operation id; accepted are those of `tailscale-sdk operations`, "
        f"{' and '.join(TOKEN_OPERATIONS)}{hint}"
    )


def _read_path(value: Any, where: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value:
        raise ConfigurationError(f"{where}: must be a glob such as /tailnet/*/keys, found {_kind(value)}")
    path = value.removeprefix("/api/v2")
    return path if path.startswith(("/", "*")) else f"/{path}"


def _read_nth(value: Any, where: str) -> int | tuple[int, ...] | None:
    if value is None:
        return None
    if isinstance(value, list | tuple):
        if not value:
            raise ConfigurationError(f"{where}: must name at least one request")
        return tuple(_read_count(number, f"{where}[{index}]") for index, number in enumerate(value))
    return _read_count(value, where)


def _read_count(value: Any, where: str) -> int:
    if not _is_int(value) or value < 1:
        raise ConfigurationError(f"{where}: must be an integer of at least 1, found {value!r}")
    return value


def _read_number(value: Any, where: str, largest: float) -> float | None:
    if value is None:
        return None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not 0 <= value <= largest:
        raise ConfigurationError(f"{where}: must be a number from 0 to {largest:g}, found {value!r}")
    return float(value)


def _read_when(value: Any, fault: Fault | Answer | None, where: str) -> When:
    if fault is None:
        if value is not None:
            raise ConfigurationError(f"{where}: says when a fault strikes, and there is none")
        return "after_apply"
    name, default, allowed = "an answer of one's own", None, HEAD
    if isinstance(fault, Fault):
        name, default, allowed = fault.name, fault.when, fault.allowed
    if value is None:
        return default or "before_apply"
    for when in allowed:
        if value == when:
            return when
    raise ConfigurationError(f"{where}: must be {' or '.join(allowed)} for {name}, found {value!r}")


def _read_fault(value: Any, where: str) -> Fault | Answer | None:
    if value is None:
        return None
    if isinstance(value, Mapping):
        return _read_answer(value, where)
    found = FAULTS.get(value) if isinstance(value, str) else None
    if found is not None and found.kind == "client-side":
        raise ConfigurationError(
            f"{where}: {found.name} is on the client's side of the wire and cannot be played for a request: "
            f"{found.description}"
        )
    if found is None:
        known = ", ".join(name for name, fault in FAULTS.items() if fault.kind != "client-side")
        raise ConfigurationError(
            f'{where}: {value!r} is no fault; accepted are an object {{"status", "headers", "body"}} and {known}'
        )
    return found


def _read_answer(value: Mapping[str, Any], where: str) -> Answer:
    _check_keys(value, ANSWER_KEYS, f"{where}.")
    status, body = value.get("status"), value.get("body")
    if not _is_int(status) or not 200 <= status <= 599:
        raise ConfigurationError(f"{where}.status: must be an integer from 200 to 599, found {status!r}")
    headers = _read_headers(value.get("headers"), f"{where}.headers")
    names = {name.lower() for name, _ in headers}
    if isinstance(body, str) or body is None:
        content, kind = (body or "").encode(), ("Content-Type", "text/plain; charset=utf-8")
    else:
        content, kind = _dump(body, f"{where}.body"), JSON_TYPE
    if content and "content-type" not in names:
        headers = (kind, *headers)
    # A length of the caller's own is kept, even when it lies.
    if not names & {"content-length", "transfer-encoding"}:
        headers = (*headers, ("Content-Length", str(len(content))))
    return Answer(status, headers, content)


def _dump(body: Any, where: str) -> bytes:
    try:
        return orjson.dumps(body)
    except TypeError:
        raise ConfigurationError(f"{where}: must be text or JSON, found {_kind(body)}") from None


def _read_headers(value: Any, where: str) -> Headers:
    if value is None:
        return ()
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{where}: must be an object of strings, found {_kind(value)}")
    pairs: list[tuple[str, str]] = []
    for name, given in value.items():
        texts = given if isinstance(given, list | tuple) else [given]
        if not _TOKEN.fullmatch(str(name)) or not all(_is_value(text) for text in texts):
            raise ConfigurationError(
                f"{where}.{name}: must be a header name with one line of Latin-1 text, or a list of such lines"
            )
        pairs += [(str(name), text) for text in texts]
    return tuple(pairs)


def _is_value(text: Any) -> bool:
    return isinstance(text, str) and _VALUE.fullmatch(text) is not None


def _is_int(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _kind(value: Any) -> str:
    names = {type(None): "nothing", str: "a string", dict: "an object", list: "a list", bool: "true or false"}
    return names.get(type(value), f"{value!r}")
