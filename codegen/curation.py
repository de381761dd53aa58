"""What holds for every action a person curates, be it an operation or a workflow: its words and its example."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

EFFECTS = ("read", "write", "delete")
SUMMARY_LIMIT = 60
_MARKUP = re.compile(r"[^\x20-\x7e]|[*_`#<>]{2}|https?://")

Entry = dict[str, Any]


def read_maps(folder: Path, problems: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read every file of a map by name, adding to the problems what is no TOML."""
    for path in sorted(folder.glob("*.toml")):
        if path.name != "excluded.toml":
            try:
                yield path.name, tomllib.loads(path.read_text(encoding="utf-8"))
            except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
                problems.append(f"{path.name}: not TOML: {problem}")


def example_of(
    params: Sequence[Mapping[str, Any]], shared: Mapping[str, Any], own: Mapping[str, Any]
) -> dict[str, Any]:
    """Make example arguments of what is required."""
    chosen = {name: {**shared.get(name, {}), **own.get(name, {})}.get("example") for name in [*shared, *own]}
    return {p["name"]: _sample(p, chosen.get(p["name"])) for p in params if p["required"]}


def _sample(parameter: Mapping[str, Any], chosen: Any) -> Any:
    schema = parameter["schema"]
    if chosen is not None:
        return chosen
    if "enum" in schema:
        return schema["enum"][0]
    if parameter.get("secret"):
        return "the secret"
    return {"boolean": True, "integer": 1, "array": [], "object": {}}.get(schema.get("type", ""), "text")


def check_words(curated: Mapping[str, Any]) -> Iterator[str]:
    """Name what is wrong with the summary of an action."""
    summary = curated.get("summary", "")
    if not summary:
        yield "needs a summary"
    if len(summary) > SUMMARY_LIMIT:
        yield f"the summary has {len(summary)} characters, {SUMMARY_LIMIT} are allowed"
    if _MARKUP.search(summary) or summary.endswith("."):
        yield "the summary is plain words: no markup, link, full stop or unusual character"


def check_example(entry: Entry) -> Iterator[str]:
    """Name what the example of an action has too much or lacks."""
    names = {p["name"] for p in entry["params"]}
    yield from (
        f"the example has the unknown argument {name}" for name in entry["example"] if name not in names
    )
    missing = [p["name"] for p in entry["params"] if p["required"] and p["name"] not in entry["example"]]
    yield from (f"the example lacks {name}" for name in missing)
