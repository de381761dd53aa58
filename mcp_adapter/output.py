"""Shape results for a model: few columns, whole rows within a budget, untrusted text made visible."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import frozen

from mcp_adapter.arguments import CheckedCall
from mcp_adapter.catalog import Catalog, Entry, is_workflow
from mcp_adapter.cutting import cut_lists, longest_list
from mcp_adapter.paging import ordered, read_cursor, write_cursor
from mcp_adapter.projection import column, own_domain, pick, source_field
from mcp_adapter.text import compact, table
from tailscale_sdk.redact import redact
from tailscale_sdk.visible import visible_value

TEXT_BUDGET = 24_000
"""Characters of a text block; large clients cut tool output a little above."""

POLICY_URI = "tailscale://policy/current"
"""Resource that has the whole policy where a result has only its beginning."""

_MASK = "***"
_SECRET_SHAPES = ("tskey-", "eyJ")
_POLICY_FIELD = "policy"
_NARROWER = " Ask for less with select, or ask a narrower question."


class TooLarge(ValueError):
    """Say that one object alone is larger than a result may be."""


@frozen
class Shaped:
    """Hold both forms of one result; they say the same."""

    structured: dict[str, Any]
    text: str


def needs_everything(call: CheckedCall) -> dict[str, Any]:
    """Return the argument that asks the API for all fields, when a wanted column needs it."""
    widen, options = call.entry.get("widen"), call.options
    if not widen:
        return {}
    wanted = {name.split(".")[0] for name in options.select or call.entry.get("columns", ())}
    wide = options.detail == "full" and not options.select
    return {widen["parameter"]: widen["value"]} if wide or wanted & set(widen["columns"]) else {}


def shape_read(call: CheckedCall, answer: Any) -> Shaped:
    """Shape what a reading operation answered.

    Raises:
        CursorError: the cursor does not belong to this list.
        TooLarge: a single row exceeds the budget.
    """
    entry = call.entry
    if is_workflow(entry) and "rows" in entry:
        return _list(call, answer[entry["rows"]], _beside_rows(call, answer))
    if isinstance(answer, list):
        return _list(call, ordered(entry, answer))
    if answer is None:
        return whole({"ok": True})
    if entry["operation"] == "getPolicyFile":
        return _policy(call, answer)
    names = call.options.select or (() if call.options.detail == "full" else entry.get("columns", ()))
    item = pick(answer, names) if names and isinstance(answer, Mapping) else answer
    shown = {
        "item": safe_answer(entry, item),
        **_untrusted(entry, list(item) if isinstance(item, Mapping) else []),
    }
    return cut(shown, _NARROWER) if is_workflow(entry) else whole(shown)


def _beside_rows(call: CheckedCall, answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a workflow says about its rows as a whole."""
    rest = {name: value for name, value in answer.items() if name != call.entry["rows"]}
    shown: dict[str, Any] = safe_answer(call.entry, rest)
    return shown


def shape_write(catalog: Catalog, entry: Entry, result: Mapping[str, Any]) -> Shaped:
    """Shape what a write came to.

    Args:
        catalog: to know which fields of the state others can write, or are secret.
        entry: catalog entry of the write.
        result: ``ok`` and the states around it; ``revealed`` holds what is shown although it is a secret.
    """
    read = catalog.entries.get(entry.get("change", {}).get("read", ""), {})
    merged = {**entry, "untrusted": [*entry.get("untrusted", ()), *read.get("untrusted", ())]}
    merged["secret_out"] = [*entry.get("secret_out", ()), *read.get("secret_out", ())]
    merged["shown"] = entry.get("shown", ())
    plain = {name: value for name, value in result.items() if name in _OWN_WORDS}
    state = {
        name: safe_answer(merged, value)
        for name, value in result.items()
        if name not in {*_OWN_WORDS, "revealed"}
    }
    fields = [name for name in ("before", "after", "item", "items") for name in _field_names(state.get(name))]
    names = [*fields, *(state if is_workflow(entry) else ())]
    return cut({**plain, **state, **result.get("revealed", {}), **_untrusted(merged, names)})


# Fields of a write's result whose text is this program's own.
_OWN_WORDS = ("ok", "executed", "verified", "change", "confirm", "note", "secret_out")


def _field_names(value: Any) -> list[str]:
    if isinstance(value, list):
        return [name for element in value for name in _field_names(element)]
    return list(value) if isinstance(value, Mapping) else []


def whole(structured: dict[str, Any]) -> Shaped:
    """Write an object as JSON, refusing one that is too large.

    Raises:
        TooLarge: it exceeds the budget.
    """
    text = compact(structured)
    if len(text) > TEXT_BUDGET:
        raise TooLarge("the answer is too large for one result: ask for less with select")
    return Shaped(structured, text)


def cut(structured: dict[str, Any], advice: str = "") -> Shaped:
    """Write an object as JSON, with its lists cut where it is too large, and say so.

    Args:
        structured: what is shown.
        advice: what to do for the rest.

    Raises:
        TooLarge: it exceeds the budget even without them.
    """
    shaped = Shaped(structured, compact(structured))
    if len(shaped.text) <= TEXT_BUDGET:
        return shaped

    def attempt(count: int) -> Shaped:
        shown, whole_lengths = cut_lists(structured, count)
        note = f"Lists are cut after {count} entries; cut has their lengths.{advice}"
        shown = {**shown, "truncated": True, "cut": whole_lengths, "cut_note": note}
        return Shaped(shown, compact(shown))

    return _fit(attempt, longest_list(structured))


def _untrusted(entry: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Name the shown fields that other people can write, once."""
    marked = set(entry.get("untrusted", ()))
    found = list(dict.fromkeys(name for name in names if source_field(name) in marked))
    return {"untrusted_fields": found} if found else {}


def _list(call: CheckedCall, items: list[Any], beside: Mapping[str, Any] | None = None) -> Shaped:
    entry, options = call.entry, call.options
    offset = read_cursor(entry, call.arguments, options.cursor)
    page = items[offset : offset + options.limit]
    columns = () if options.select or options.detail == "full" else tuple(entry.get("columns", ()))
    domain = own_domain(item for item in items if isinstance(item, Mapping))
    shown = [_element(entry, item, options.select or columns, domain) for item in page]
    build = _table_of(entry, columns, domain) if columns else _items_of(entry)

    def attempt(count: int) -> Shaped:
        trailer = {**(beside or {}), **_trailer(call, len(items), offset, count)}
        return build(shown[:count], trailer)

    return _fit(attempt, len(shown))


def _element(entry: Entry, item: Any, names: Sequence[str], domain: str | None) -> Any:
    if not isinstance(item, Mapping) or not names:
        return safe_answer(entry, item)
    return safe_answer(entry, {name: column(item, name, domain) for name in names})


def _table_of(
    entry: Entry, columns: Sequence[str], domain: str | None
) -> Callable[[list[Any], dict[str, Any]], Shaped]:
    def build(shown: list[Any], trailer: dict[str, Any]) -> Shaped:
        rows = [[item[name] for name in columns] for item in shown]
        extra = {"owner_domain": domain} if domain and "owner" in columns and rows else {}
        present = [name for index, name in enumerate(columns) if any(row[index] is not None for row in rows)]
        trailer = {**trailer, **extra, **_untrusted(entry, present)}
        return Shaped({"columns": list(columns), "rows": rows, **trailer}, table(columns, rows, trailer))

    return build


def _items_of(entry: Entry) -> Callable[[list[Any], dict[str, Any]], Shaped]:
    def build(shown: list[Any], trailer: dict[str, Any]) -> Shaped:
        structured = {"items": shown, **trailer, **_untrusted(entry, _field_names(shown))}
        return Shaped(structured, compact(structured))

    return build


def _trailer(call: CheckedCall, total: int, offset: int, count: int) -> dict[str, Any]:
    end = offset + count
    trailer: dict[str, Any] = {"total": total}
    if end < total:
        narrow = (
            "filters or select" if any(p["name"] == "filters" for p in call.entry["params"]) else "select"
        )
        trailer["next_cursor"] = write_cursor(call.entry, call.arguments, end)
        trailer["truncated"] = True
        trailer["note"] = (
            f"Showing {count} of {total}. Next: the same call with cursor=next_cursor; or narrow with {narrow}."
        )
    return trailer


def _fit(attempt: Callable[[int], Shaped], count: int) -> Shaped:
    """Show as many whole rows as the budget allows.

    Raises:
        TooLarge: not even one row fits.
    """
    shaped = attempt(count)
    low, high = 0, count
    if len(shaped.text) <= TEXT_BUDGET:
        return shaped
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if len(attempt(middle).text) <= TEXT_BUDGET else (low, middle)
    if low == 0:
        raise TooLarge("one entry alone is too large for a result: ask for less with select")
    return attempt(low)


def _policy(call: CheckedCall, answer: Mapping[str, Any]) -> Shaped:
    """Show the policy as text; one that is cut loses its ETag, so that nobody writes the rest away."""
    entry = call.entry
    names = call.options.select or tuple(answer)
    item = {name: value for name, value in answer.items() if name in names and value not in (None, [])}
    shaped = _policy_item(entry, item)
    if len(shaped.text) <= TEXT_BUDGET or _POLICY_FIELD not in item:
        return shaped
    lines = str(item[_POLICY_FIELD]).splitlines(keepends=True)

    def attempt(count: int) -> Shaped:
        cut = {name: value for name, value in item.items() if name != "etag"}
        cut[_POLICY_FIELD] = "".join(lines[:count])
        note = (
            f"Showing {count} of {len(lines)} lines, without the ETag: a cut policy must not be written back."
        )
        return _policy_item(entry, cut, {"truncated": True, "note": note, "resource": POLICY_URI})

    return _fit(attempt, len(lines))


def _policy_item(entry: Entry, item: Mapping[str, Any], trailer: Mapping[str, Any] | None = None) -> Shaped:
    text = item.get(_POLICY_FIELD)
    shown = {name: visible_value(value) for name, value in item.items()}
    if isinstance(text, str):
        shown[_POLICY_FIELD] = safe_policy(text)
        if shown[_POLICY_FIELD] != text:
            trailer = {
                **(trailer or {}),
                "altered": "hidden characters or secrets in the policy are shown as marks",
            }
    structured = {"item": shown, **(trailer or {}), **_untrusted(entry, list(shown))}
    return Shaped(structured, compact(structured))


def safe_policy(text: str) -> str:
    """Return a policy's text with nothing hidden and no secret in it."""
    shown: str = visible_value(without_secrets(text), limit=None, multiline=True)
    return shown


def safe_answer(entry: Mapping[str, Any], value: Any) -> Any:
    """Mask secret fields, make every text visible, and take out whatever looks like a credential."""
    hidden = set(entry.get("secret_out", ())) - set(entry.get("shown", ()))
    return visible_value(_masked(value, hidden))


def _masked(value: Any, hidden: set[str]) -> Any:
    if isinstance(value, Mapping):
        return {
            name: _MASK if name in hidden and inner not in (None, "") else _masked(inner, hidden)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_masked(inner, hidden) for inner in value]
    return without_secrets(value) if isinstance(value, str) else value


def without_secrets(text: str) -> str:
    """Redact text that holds the shape of a credential; ordinary words are left alone."""
    return redact(text) if any(shape in text for shape in _SECRET_SHAPES) else text
