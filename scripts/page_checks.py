"""What the checks of pages share: one run over named checks, each with a page of its own in one headless Chromium."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from scripts.chromium import BrowserError, Page, find_chromium, running

HOSTILE = "</script><script>window.broken=1</script><img src=http://192.0.2.1/x onerror=window.broken=1>"
"""A name that tries to be markup."""

OPEN_SECONDS = 5.0
"""So long a large page may take until it has drawn."""

Check = Callable[[Page, Path], None]


class Wrong(Exception):
    """Say what the page does that it should not."""


def expect(name: str, what: str, wanted: object, found: object) -> None:
    """Compare one thing the page shows.

    Raises:
        Wrong: it differs.
    """
    if wanted != found:
        raise Wrong(f"{name}: {what} should be {wanted!r} and is {found!r}")


def run_page_checks(subject: str, checks: Mapping[str, Check]) -> int:
    """Return 0 when the pages do what they promise, or with a loud line when there is no Chromium.

    Args:
        subject: what the page is of, with its article: "a graph".
        checks: by name; each is handed a page and the path of the file it may write.
    """
    chromium = find_chromium()
    if chromium is None:
        print(
            f"SKIPPED LOUDLY: chromium is not installed and could not be; the page of {subject} was not checked"
        )
        return 0
    try:
        with (
            tempfile.TemporaryDirectory(prefix="page-") as folder,
            running(chromium, Path(folder) / "profile") as browser,
        ):
            for name, check in checks.items():
                page = Page(browser)
                check(page, Path(folder) / f"{name}.html")
                _expect_silence(name, page)
                print(f"page of {subject}, {name}: ok")
    except (BrowserError, Wrong) as problem:
        print(f"page of {subject}: {problem}", file=sys.stderr)
        return 1
    return 0


def _expect_silence(name: str, page: Page) -> None:
    """See that a page has reported nothing and asked for nothing."""
    told = page.events("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
    expect(name, "console and errors", [], told)
    requests = [event["request"]["url"] for event in page.events("Network.requestWillBeSent")]
    expect(
        name,
        "requests beside the page",
        [],
        [url for url in requests if not url.startswith(("file:", "data:"))],
    )
