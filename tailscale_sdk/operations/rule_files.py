"""Read a file of rules that people keep under version control: TOML, JSON, or YAML where PyYAML is installed."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from tailscale_sdk.errors import ConfigurationError


def read_rule_file(path: str | Path) -> Any:
    """Read a file as plain data.

    Args:
        path: ``.toml``, ``.json``, ``.yaml`` or ``.yml``; of any other name TOML, or JSON where it begins like that.

    Raises:
        ConfigurationError: it cannot be read, or YAML needs what is not installed; the text names the file.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as problem:
        raise ConfigurationError(f"{path}: cannot be read ({problem.strerror})") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path}: is not UTF-8") from None
    name, parse = _parser_of(Path(path).suffix.lower(), text)
    try:
        return parse(text)
    except (ValueError, RecursionError) as problem:
        raise ConfigurationError(f"{path}: is not {name}: {problem}") from None


def _parser_of(suffix: str, text: str) -> tuple[str, Callable[[str], Any]]:
    if suffix in _PARSERS:
        return _PARSERS[suffix]
    return _PARSERS[".json"] if text.lstrip().startswith(("{", "[")) else _PARSERS[".toml"]


def _yaml(text: str) -> Any:
    try:
        import yaml
    except ImportError:
        raise ConfigurationError("YAML needs an extra: pip install 'tailscale-sdk[yaml]'") from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as problem:
        raise ValueError(" ".join(str(problem).split())) from None


_PARSERS: Final[Mapping[str, tuple[str, Callable[[str], Any]]]] = {
    ".json": ("JSON", json.loads),
    ".toml": ("TOML", tomllib.loads),
    ".yaml": ("YAML", _yaml),
    ".yml": ("YAML", _yaml),
}
