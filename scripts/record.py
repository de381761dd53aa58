"""Record one cassette per operation through the real client.

Against the embedded tailnet by default. Against a real one only through TAILSCALE_E2E_API_KEY and
TAILSCALE_E2E_TAILNET: reads only, anonymised; writes only when TAILSCALE_E2E_ALLOW_WRITES names that tailnet.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tailscale_sdk import API_DESCRIPTION, OPERATIONS, APIStatusError, Tailscale  # noqa: E402
from tests.cassette.anonymising import Pseudonyms  # noqa: E402
from tests.cassette.recording import CASSETTES, OPERATIONS_MODULE, RETRIES_MODULE, cassette, steady_clock  # noqa: E402
from tests.cassette.scrubbing import findings, scrub_json  # noqa: E402
from tests.cassette.synthesising import synthesise  # noqa: E402
from tests.exercise import STEPS, Memory, Step, bound_method  # noqa: E402

SEED = 20260701
# A policy is text that cannot be anonymised without becoming another policy.
NEVER_FROM_A_REAL_TAILNET = {o.operation_id for o in OPERATIONS.values() if o.resource == "policy"}


@contextmanager
def embedded() -> Iterator[tuple[Tailscale, str]]:
    """Open a client on a fresh embedded tailnet."""
    from tailscale_sdk.testing import FakeTailnet

    with (
        FakeTailnet(devices=12, seed=SEED) as tailnet,
        Tailscale(
            api_key=tailnet.api_key, base_url=tailnet.base_url, rate_limit=None, _clock=steady_clock()
        ) as client,
    ):
        yield client, f"the embedded tailnet, 12 devices, seed {SEED}"


@contextmanager
def real() -> Iterator[tuple[Tailscale, str]]:
    """Open a client on the tailnet that the TAILSCALE_E2E_ variables name."""
    key, tailnet = os.environ["TAILSCALE_E2E_API_KEY"], os.environ.get("TAILSCALE_E2E_TAILNET", "-")
    with Tailscale(api_key=key, tailnet=tailnet, _clock=steady_clock()) as client:
        yield client, "a real tailnet, anonymised"


def allowed(step: Step, *, against_real: bool) -> bool:
    """Tell whether a step may be sent: everything to the embedded tailnet, little to a real one."""
    if not against_real:
        return True
    if step.operation_id in NEVER_FROM_A_REAL_TAILNET:
        return False
    writes = os.environ.get("TAILSCALE_E2E_ALLOW_WRITES")
    named = writes is not None and writes == os.environ.get("TAILSCALE_E2E_TAILNET")
    return OPERATIONS[step.operation_id].effect == "read" or named


def record(client: Tailscale, origin: str, *, against_real: bool, folder: Path) -> dict[str, Any]:
    """Send every allowed step, each into its own cassette, and return the index.

    Args:
        client: sends the steps.
        origin: what the index says the cassettes were recorded against.
        against_real: send little, and keep nobody's names.
        folder: where the cassettes of all modules are.
    """
    memory, times, entries = Memory(), Counter[str](), {}
    pseudonyms = Pseudonyms() if against_real else None
    for step in STEPS:
        if not allowed(step, against_real=against_real):
            continue
        times[step.operation_id] += 1
        suffix = f"-{times[step.operation_id]}" if times[step.operation_id] > 1 else ""
        name = f"{step.operation_id}{suffix}"
        arguments, keywords = step.arguments(memory)
        try:
            with cassette(name, record=True, pseudonyms=pseudonyms, folder=folder):
                step.remember(memory, bound_method(client, step.operation_id)(*arguments, **keywords))
        except APIStatusError:
            if not against_real:
                raise
        entries[name] = {
            "operation": step.operation_id,
            "arguments": kept(list(arguments), pseudonyms),
            "keywords": kept(keywords, pseudonyms),
            "recorded_against": origin,
            "recorded": datetime.now(UTC).date().isoformat(),
            "description": API_DESCRIPTION.sha256[:12],
        }
    return entries


def kept(value: Any, pseudonyms: Pseudonyms | None) -> Any:
    """Return arguments as the index keeps them: no secret, and the stand-ins of what the cassette replaced."""
    text = json.dumps(scrub_json(value), ensure_ascii=False)
    return json.loads(text if pseudonyms is None else pseudonyms.replace_known(text))


def main() -> int:
    """Record everything again, and replace what is there unless the new recordings hold a secret."""
    against_real = "TAILSCALE_E2E_API_KEY" in os.environ
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with real() if against_real else embedded() as (client, origin):
            recorded = record(client, origin, against_real=against_real, folder=folder)
        synthesised = synthesise(folder, recorded)
        index = {OPERATIONS_MODULE: recorded, RETRIES_MODULE: synthesised}
        (folder / "index.json").write_text(json.dumps(index, indent=1, ensure_ascii=False) + "\n")
        found = {
            path.name: hits
            for path in sorted(folder.rglob("*"))
            if path.is_file() and (hits := findings(path.read_text()))
        }
        if found:
            print(f"nothing was changed, the recordings hold secret shapes: {found}", file=sys.stderr)
            return 1
        shutil.rmtree(CASSETTES, ignore_errors=True)
        shutil.copytree(folder, CASSETTES)
    print(f"{len(recorded)} cassettes recorded against {origin}, {len(synthesised)} synthesised")
    return 0


if __name__ == "__main__":
    sys.exit(main())
