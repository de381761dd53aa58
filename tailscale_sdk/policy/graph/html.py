"""A graph as one HTML page that needs nothing else: search, filters, side panel, table, light and dark.

The page is put together from the files in ``page/``. Its security policy names its own script and its own
style by their hashes and forbids all else, so that nothing a name could smuggle in would run or load.
"""

from __future__ import annotations

import json
from base64 import b64encode
from functools import cache
from hashlib import sha256
from html import escape
from importlib.resources import files
from string import Template

from tailscale_sdk.policy.graph.json_links import to_json
from tailscale_sdk.policy.graph.model import Graph

_SCRIPTS = ("elements", "selection", "layout", "strokes", "picture", "lists", "main")

# A script element ends at the first "</script", and "<!--" would change how its end is found.
_MARKUP = str.maketrans({"<": r"\u003c", ">": r"\u003e", "&": r"\u0026"})


def to_html(graph: Graph) -> str:
    """Return a self-contained HTML page, to be stored as UTF-8; the same graph gives the same bytes."""
    content = to_json(graph)
    data = json.dumps(content, ensure_ascii=False, separators=(",", ":")).translate(_MARKUP)
    return _template().substitute(title=escape(content["title"]), data=data)


@cache
def _template() -> Template:
    """Return the page with all but the graph in it."""
    style = _read("page.css")
    parts = "\n".join(_read(f"{name}.js") for name in _SCRIPTS)
    script = f'"use strict";\n(() => {{\n{parts}}})();\n'
    security = "; ".join(
        [
            "default-src 'none'",
            f"script-src {_source(script)}",
            f"style-src {_source(style)}",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ]
    )
    return Template(
        Template(_read("page.html")).safe_substitute(
            security=security, style=_literal(style), script=_literal(script)
        )
    )


def _read(name: str) -> str:
    return files(__package__).joinpath("page", name).read_text(encoding="utf-8")


def _source(text: str) -> str:
    """Name an inline script or style the way a security policy does."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _literal(text: str) -> str:
    """Keep dollar signs of scripts from being taken for places to fill in."""
    return text.replace("$", "$$")
