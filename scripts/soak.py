"""Soak: both clients at mixed work against the embedded tailnet behind faults; what they hold must stay level.

The server runs in a process of its own and is started anew every minute, so only the client is measured. After a
warm-up everything rests and is counted; then the work goes on for so many minutes, and is counted again at rest.
It fails when resident memory climbs by more than 1 MB per 10,000 calls over the last two thirds (Theil-Sen slope),
when files, threads or tasks differ by more than 2, or when more of our own objects are alive than before.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from attrs import define, field

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.soak_samples import Sample, judge, slope_of, take_sample
from tailscale_sdk import (
    AsyncTailscale,
    Hooks,
    IncompleteStreamError,
    OAuthClient,
    ResponseEvent,
    Tailscale,
    TailscaleError,
)

WARM_UP_SECONDS = 25.0
SAMPLE_SECONDS = 3.0
SERVER_SECONDS = 60.0
# Longer than an idle connection is kept, so that those which are left are the ones of the last call.
REST_SECONDS = 6.0
TASKS, THREADS, DEVICES = 6, 2, 50
BEGIN, END = "2026-06-29T12:00:00Z", "2026-06-30T11:59:59Z"
LIMITED = {"status": 429, "headers": {"Retry-After": "0.05"}}
# A share of all requests each; what is lost after it was carried out makes creations look for their mark.
SHARES: dict[str, float] = {
    "noreply": 0.015,
    "reset": 0.015,
    "503": 0.02,
    "502": 0.005,
    "trunc": 0.005,
    "chunk_trunc": 0.005,
    "gzbad": 0.005,
    "garbage": 0.003,
    "html200": 0.003,
    "401": 0.003,
    "stall": 0.003,
}
RULES: list[dict[str, Any]] = [
    {"operation": "createKey", "probability": 0.05, "when": "after_apply", "fault": "noreply"},
    {"operation": "listNetworkFlowLogs", "probability": 0.3, "when": "mid_reply", "fault": "reset"},
    {"probability": 0.02, "fault": LIMITED},
    *[{"probability": share, "fault": name} for name, share in SHARES.items()],
]


class Server:
    """Run the embedded tailnet behind its faults in a process of its own, always on the same port."""

    def __init__(self, folder: Path) -> None:
        self._file, self._port = folder / "faults.json", 0
        self._file.write_text(json.dumps({"rules": RULES}))
        self._process: subprocess.Popen[str] | None = None
        self.base_url, self.api_key = "", ""

    def start(self) -> None:
        """Start it, or start it anew: it forgets everything, and its clients lose their connections."""
        self.stop()
        options = ["--devices", str(DEVICES), "--port", str(self._port), "--faults", str(self._file)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tailscale_sdk.testing", *options], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        told = json.loads(self._process.stdout.readline())
        self.base_url, self.api_key = told["base_url"], told["api_key"]
        self._port = int(self.base_url.rpartition(":")[2])

    def stop(self) -> None:
        """Stop it, if it runs."""
        if self._process is not None:
            self._process.terminate()
            self._process.communicate()
            self._process = None


Step = Callable[[], Coroutine[Any, Any, None]]


@define(eq=False)
class Work:
    """Do the mixed work of both clients.

    Attributes:
        ended: attempts by their status, or by the class of their error.
        raised: calls that failed with an error of ours, by class.
        broken: anything else that was raised.
    """

    server: Server
    ended: Counter[str] = field(factory=Counter)
    raised: Counter[str] = field(factory=Counter)
    broken: list[str] = field(factory=list)
    calls: int = 0
    until: float = 0.0
    oauth: tuple[str, str] | None = None
    devices: list[str] = field(factory=list)
    options: dict[str, Any] = field(init=False)
    client: AsyncTailscale = field(init=False)
    sync: Tailscale = field(init=False)
    pool: ThreadPoolExecutor = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.options = {
            "base_url": self.server.base_url,
            "rate_limit": None,
            "read_timeout": 0.5,
            "hooks": Hooks(on_response=self._count),
        }
        self.client = AsyncTailscale(api_key=self.server.api_key, **self.options)
        self.sync = Tailscale(api_key=self.server.api_key, **self.options)
        self.pool = ThreadPoolExecutor(THREADS + 1)
        with Tailscale(api_key=self.server.api_key, **self.options) as client:
            self.devices = [
                device.node_id or "" for device in client.devices.list() if not device.is_external
            ]

    def _count(self, event: ResponseEvent) -> None:
        self.calls += event.error is None
        self.ended[str(event.status or type(event.error).__name__)] += 1

    # --- asynchronous steps ---------------------------------------------------------------------

    def _device(self) -> str:
        return random.choice(self.devices)

    async def read(self) -> None:
        """List and get."""
        await self.client.devices.list(fields="all")
        await asyncio.gather(*(self.client.devices.get(self._device()) for _ in range(4)))
        await self.client.policy.get()

    async def write(self) -> None:
        """Set what can be set again."""
        node_id = self._device()
        await self.client.devices.set_name(node_id, name=f"soak-{random.randrange(10**6)}")
        await self.client.devices.set_tags(node_id, tags=["tag:web"])

    async def create(self) -> None:
        """Create a key and delete it."""
        made = await self.client.keys.create(capabilities={"devices": {"create": {}}}, description="soak")
        await self.client.keys.delete(made.id or "")

    async def cancel(self) -> None:
        """Leave a call at any moment."""
        task = asyncio.create_task(self.client.devices.list(fields="all"))
        await asyncio.sleep(random.uniform(0, 0.03))
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error

    async def stream(self) -> None:
        """Read a log to its end, however often it breaks off."""
        broken: IncompleteStreamError | None = None
        for _ in range(5):
            try:
                async for _record in self.client.logging.iter_network_logs(
                    start=BEGIN, end=END, resume_from=broken
                ):
                    pass
            except IncompleteStreamError as error:
                broken = error
            else:
                return

    async def leave(self) -> None:
        """Leave a log in its middle."""
        async with self.client.logging.iter_network_logs(start=BEGIN, end=END) as records:
            async for _record in records:
                if random.random() < 0.05:
                    break

    async def reconnect(self) -> None:
        """Make a client of its own, with a token of its own, for a call."""
        if self.oauth is None:
            made = await self.client.keys.create(key_type="client", scopes=["all"])
            self.oauth = made.id or "", made.key or ""
        async with AsyncTailscale(auth=OAuthClient(*self.oauth), **self.options) as client:
            await client.devices.get(self._device())

    # --- synchronous steps ----------------------------------------------------------------------

    def work_synchronously(self) -> None:
        """Read, set, create and stream in a thread."""
        client, count = self.sync, 0
        while time.monotonic() < self.until:
            count += 1
            try:
                client.devices.get(self._device())
                client.devices.set_tags(self._device(), tags=["tag:web"])
                client.devices.list()
                if count % 5 == 0:
                    made = client.keys.create(capabilities={"devices": {"create": {}}}, description="soak")
                    client.keys.delete(made.id or "")
                if count % 7 == 0:
                    with client.logging.iter_network_logs(start=BEGIN, end=END) as records:
                        for _record in records:
                            if random.random() < 0.01:
                                break
                if count % 50 == 0:
                    with Tailscale(api_key=self.server.api_key, **self.options) as other:
                        other.devices.get(self._device())
            except TailscaleError as error:
                self.raised[type(error).__name__] += 1
                time.sleep(0.02)
            except Exception as error:  # noqa: BLE001  # what may not be raised is what is looked for
                self.broken.append(f"{type(error).__name__}: {error}")
                return

    # --- all of it ------------------------------------------------------------------------------

    async def _task(self) -> None:
        steps: list[Step] = [
            self.read,
            self.write,
            self.create,
            self.cancel,
            self.stream,
            self.leave,
            self.reconnect,
        ]
        weights = [30, 30, 12, 12, 6, 6, 2]
        while time.monotonic() < self.until:
            (step,) = random.choices(steps, weights)
            try:
                await step()
            except TailscaleError as error:
                self.raised[type(error).__name__] += 1
                await asyncio.sleep(0.02)

    async def _restarts(self) -> None:
        loop = asyncio.get_running_loop()
        while (left := self.until - time.monotonic()) > SERVER_SECONDS / 4:
            await asyncio.sleep(min(SERVER_SECONDS, left / 2))
            await loop.run_in_executor(self.pool, self.server.start)
            self.oauth = None

    async def _samples(self, kept: list[Sample]) -> None:
        while time.monotonic() < self.until - SAMPLE_SECONDS:
            await asyncio.sleep(SAMPLE_SECONDS)
            kept.append(take_sample(self.calls))

    async def run(self, seconds: float) -> list[Sample]:
        """Work for so long; return what was measured meanwhile."""
        self.until = time.monotonic() + seconds
        kept: list[Sample] = []
        loop = asyncio.get_running_loop()
        threads = [loop.run_in_executor(self.pool, self.work_synchronously) for _ in range(THREADS)]
        tasks = [self._task() for _ in range(TASKS)]
        results = await asyncio.gather(
            *tasks, self._restarts(), self._samples(kept), *threads, return_exceptions=True
        )
        self.broken += [f"{type(r).__name__}: {r}" for r in results if isinstance(r, BaseException)]
        return kept

    async def rest(self) -> Sample:
        """Let everything come to rest, one connection to each client at most, and measure."""
        await asyncio.sleep(REST_SECONDS)
        for _ in range(20):
            try:
                self.sync.settings.get()
                await self.client.settings.get()
                break
            except TailscaleError as error:
                self.raised[type(error).__name__] += 1
        return take_sample(self.calls)

    async def close(self) -> None:
        """Close both clients and end the threads."""
        await self.client.aclose()
        self.sync.close()
        self.pool.shutdown()


async def soak(minutes: float, folder: Path) -> list[str]:
    """Work, measure, and say what did not stay level."""
    server = Server(folder)
    server.start()
    work = Work(server)
    try:
        await work.run(WARM_UP_SECONDS)
        start = await work.rest()
        samples = await work.run(minutes * 60)
        end = await work.rest()
    finally:
        await work.close()
        server.stop()
    found = judge(start, end, samples) + [f"raised {what}" for what in work.broken]
    calls, attempts = end.calls - start.calls, work.ended.total()
    print(
        f"soak: {'FAILED' if found else 'level'} after {minutes:g} minutes and {calls} calls "
        f"({attempts - work.calls} of {attempts} attempts failed): memory {slope_of(samples):+.2f} MB per 10,000 calls "
        f"({start.rss / 2**20:.0f} -> {end.rss / 2**20:.0f} MB), files {start.files} -> {end.files}, "
        f"threads {start.threads} -> {end.threads}, tasks {start.tasks} -> {end.tasks}, "
        f"our objects {sum(start.objects.values())} -> {sum(end.objects.values())}"
    )
    return found


def main() -> int:
    """Run; return 1 when something did not stay level."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30.0, help="how long, default 30")
    parser.add_argument("--seed", type=int, default=1, help="of the order of the work")
    options = parser.parse_args()
    for name in [name for name in os.environ if name.startswith("TAILSCALE_")]:
        del os.environ[name]
    random.seed(options.seed)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        found = asyncio.run(soak(options.minutes, Path(folder)))
    for line in found:
        print(f"soak: {line}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
