"""A large window of flow logs goes through with flat memory; measured in a fresh process each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract import log_volume

pytestmark = pytest.mark.untraced

# A fraction of what is promised (64 MB), so that holding a part of the answer would show.
GROWTH_BYTES = 16 * 1024 * 1024


@pytest.mark.realtime
@pytest.mark.parametrize("reader, megabytes", [("dictionaries", 100), ("models", 100), ("asynchronous", 40)])
def test_memory_stays_flat(checkout: Path, reader: str, megabytes: int) -> None:
    command = [sys.executable, "-m", log_volume.__name__, reader, str(megabytes)]
    # Coverage, were it to follow into the process, would be measured as well.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=checkout, env=environment)
    told = json.loads(done.stdout)
    assert told["records"] > megabytes * 600
    assert told["growth"] < GROWTH_BYTES, told
