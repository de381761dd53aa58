"""HTML pages that need nothing else: one file with its style, its script and its data.

A page is put together from the files in the ``page/`` folder of a package. Its security policy names its own
script and its own style by their hashes and forbids all else, so that nothing a name could smuggle in would
run or load.
"""

from __future__ import annotations

import json
from base64 import b64encode
from functools import cache
from hashlib import sha256
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

# A script element ends at the first "</script", and "<!--" would change how its end is found.
_MARKUP = str.maketrans({"<": r"\u003c", ">": r"\u003e", "&": r"\u0026"})


def inline_page(package: str, scripts: tuple[str, ...], *, title: str, data: Any) -> str:
    """Return a self-contained HTML page, to be stored as UTF-8; the same arguments give the same bytes.

    Args:
        package: whose folder ``page/`` holds ``page.html``, ``page.css`` and the scripts.
        scripts: names of the scripts without their ending, in the order they run after ``elements``.
        title: of the page.
        data: JSON data that the scripts read; nothing hidden in its texts.
    """
    content = json.dumps(data, ensure_ascii=False, separators=(",", ":")).translate(_MARKUP)
    return _template(package, scripts).substitute(title=escape(title), data=content)


@cache
def _template(package: str, scripts: tuple[str, ...]) -> Template:
    """Return the page with all but its title and its data in it."""
    style = _read(package, "page", "page.css")
    own = [_read(package, "page", f"{name}.js") for name in scripts]
    parts = "\n".join([_read(__package__, "elements.js"), *own])
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
        Template(_read(package, "page", "page.html")).safe_substitute(
            security=security, style=_literal(style), script=_literal(script)
        )
    )


def _read(package: str, *names: str) -> str:
    return files(package).joinpath(*names).read_text(encoding="utf-8")


def _source(text: str) -> str:
    """Name an inline script or style the way a security policy does."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _literal(text: str) -> str:
    """Keep dollar signs of scripts from being taken for places to fill in."""
    return text.replace("$", "$$")
