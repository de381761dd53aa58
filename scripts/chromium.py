"""A headless Chromium and one page in it, driven over the DevTools protocol through a pipe.

The browser reads commands from file descriptor 3 and writes answers and events to 4, each a JSON text that
ends with a zero byte; no port is opened.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
INSTALL_SECONDS = 600
ANSWER_SECONDS = 30.0
STOP_SECONDS = 10.0
_POLL_SECONDS = 0.02
_CHUNK_BYTES = 1 << 16

_OPTIONS = (
    *(
        "--headless",
        "--remote-debugging-pipe",
        "--no-first-run",
        "--no-default-browser-check",
        "--disable-gpu",
    ),
    *(
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-extensions",
    ),
    # Small containers have little shared memory; and whatever a page asks for, nothing leaves the machine.
    *("--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND", "--window-size=1400,900"),
)

# Descriptors are moved out of the way first: one of the pipes may itself be 3 or 4.
_MOVE_PIPES = """
import fcntl, os, sys
commands, answers = (fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3])
os.dup2(commands, 3), os.dup2(answers, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


class BrowserError(Exception):
    """Say what the browser refused or failed to answer."""


def find_chromium() -> str | None:
    """Return the path of a Chromium, installing it with apt-get where that works."""
    if _installed() is None and shutil.which("apt-get") is not None:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (
            ["apt-get", "update"],
            ["apt-get", "install", "--yes", "--no-install-recommends", "chromium"],
        ):
            subprocess.run(
                command, env=environment, capture_output=True, check=False, timeout=INSTALL_SECONDS
            )
    return _installed()


def _installed() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """Send commands to a browser, keep the events that come between the answers."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands = commands
        self._answers = answers
        self._number = 0
        self._unread = b""
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Send one command and return its result.

        Raises:
            BrowserError: it is refused, or not answered in time.
        """
        number = self._send(method, session, parameters)
        deadline = time.monotonic() + ANSWER_SECONDS
        while True:
            message = self._next(deadline, method)
            if message.get("id") == number:
                if "error" in message:
                    raise BrowserError(f"{method}: {message['error']['message']}")
                return dict(message["result"])

    def _send(self, method: str, session: str | None, parameters: dict[str, Any]) -> int:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        waiting = json.dumps(message).encode() + b"\0"
        while waiting:
            waiting = waiting[os.write(self._commands, waiting) :]
        return self._number

    def _next(self, deadline: float, method: str) -> dict[str, Any]:
        """Return the next message; an event is kept, and a dialog closed, for it would stop the page."""
        while b"\0" not in self._unread:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._answers], [], [], left)[0]:
                raise BrowserError(f"{method} was not answered within {ANSWER_SECONDS:g} s")
            chunk = os.read(self._answers, _CHUNK_BYTES)
            if not chunk:
                raise BrowserError(f"the browser ended before it answered {method}")
            self._unread += chunk
        text, _, self._unread = self._unread.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        if "method" in message:
            self.events.append(message)
            if message["method"] == "Page.javascriptDialogOpening":
                self._send("Page.handleJavaScriptDialog", message["sessionId"], {"accept": True})
        return message


class Page:
    """Use a page as a person does, by mouse and keys, and read what it shows."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        attached = browser.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session: str = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one command about this page."""
        return self._browser.call(method, self._session, **parameters)

    def events(self, *methods: str) -> list[dict[str, Any]]:
        """Return the parameters of the events of these names that have come so far."""
        return [
            event["params"]
            for event in self._browser.events
            if event.get("sessionId") == self._session and event["method"] in methods
        ]

    def open(self, path: Path) -> float:
        """Open a file, wait until it has drawn, and return the seconds that took."""
        started = time.monotonic()
        problem = self.call("Page.navigate", url=path.as_uri()).get("errorText")
        if problem:
            raise BrowserError(f"{path.name} does not open: {problem}")
        self.wait("document.readyState === 'complete'")
        self.read(
            "new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(() => drawn(0))))"
        )
        return time.monotonic() - started

    def read(self, expression: str) -> Any:
        """Return the value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise BrowserError(
                f"{expression}: {details.get('exception', details).get('description', details)}"
            )
        return answer["result"].get("value")

    def wait(self, expression: str) -> None:
        """Wait until an expression holds.

        Raises:
            BrowserError: it does not in time.
        """
        deadline = time.monotonic() + ANSWER_SECONDS
        while not self.read(f"Boolean({expression})"):
            if time.monotonic() > deadline:
                raise BrowserError(f"it never became true that {expression}")
            time.sleep(_POLL_SECONDS)

    def click(self, element: str) -> None:
        """Press and release the mouse in the middle of an element, given as an expression.

        Raises:
            BrowserError: something else lies there.
        """
        x, y = self.middle(element)
        if not self.read(f"({element}).contains(document.elementFromPoint({x}, {y}))"):
            raise BrowserError(f"{element} cannot be clicked: something else lies at {x:g}, {y:g}")
        self.drag((x, y), (x, y))

    def middle(self, element: str) -> tuple[float, float]:
        """Scroll to an element and return where its middle is."""
        box = self.read(
            f"(() => {{ const e = {element}; e.scrollIntoView({{block: 'nearest'}});"
            " const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        return box[0], box[1]

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Press the mouse at one place, move it, and release it at another."""
        pressed = {"button": "left", "clickCount": 1}
        moves: list[tuple[str, tuple[float, float], dict[str, Any]]] = [
            ("mouseMoved", start, {}),
            ("mousePressed", start, pressed),
            ("mouseMoved", end, {"button": "left", "buttons": 1}),
            ("mouseReleased", end, pressed),
        ]
        for kind, (x, y), more in moves:
            if kind != "mouseMoved" or not more or start != end:
                self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def turn_wheel(self, place: tuple[float, float], delta: float) -> None:
        """Turn the wheel of the mouse; negative is away from the person."""
        self.call(
            "Input.dispatchMouseEvent", type="mouseWheel", x=place[0], y=place[1], deltaX=0, deltaY=delta
        )

    def press(self, key: str, text: str = "") -> None:
        """Press and release a key by its name; the text is what it types."""
        typed = {"text": text} if text else {}
        code = {"Enter": 13, "Escape": 27, "Tab": 9}.get(key, 0)
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **typed)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def type(self, text: str) -> None:
        """Type a text into what has the focus, letter by letter."""
        for letter in text:
            self.press(letter, letter)


@contextmanager
def running(chromium: str, folder: Path) -> Iterator[Browser]:
    """Run a browser with an empty profile until the context ends.

    Args:
        chromium: path of the program.
        folder: for its profile.
    """
    commands_out, commands_in = os.pipe()
    answers_out, answers_in = os.pipe()
    # Chromium refuses its sandbox to root.
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    command = [chromium, *_OPTIONS, *sandbox, f"--user-data-dir={folder}", "about:blank"]
    process = subprocess.Popen(
        [sys.executable, "-c", _MOVE_PIPES, str(commands_out), str(answers_in), *command],
        pass_fds=(commands_out, answers_in),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(commands_out)
    os.close(answers_in)
    try:
        yield Browser(commands_in, answers_out)
    finally:
        os.close(commands_in)  # without anybody to command it the browser ends
        try:
            process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(answers_out)
