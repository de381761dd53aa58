"""The embedded tailnet: a real HTTP server on loopback that behaves like the service.

`FakeTailnet` starts one inside a test or a program, ``python -m tailscale_sdk.testing`` in a process of its own.
`Faults` lets it fail on demand, `no_sleep` takes the waiting out of retries.
Needs the extra ``testing``: ``pip install 'tailscale-sdk[testing]'``.

What the service does in these cases is not published, so the embedded tailnet picks an answer on which
nothing may depend: deleting a user deletes the devices and revokes the keys of that user; what the
access token of a person may do follows a table of roles; unaccepted invites end after 30 days.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from tailscale_sdk.errors import ConfigurationError

if TYPE_CHECKING:
    from tailscale_sdk.testing.faults import FAULTS as FAULTS
    from tailscale_sdk.testing.faults import Faults as Faults
    from tailscale_sdk.testing.faults import SeenRequest as SeenRequest
    from tailscale_sdk.testing.ledger import Ledger as Ledger
    from tailscale_sdk.testing.ledger import LedgerEntry as LedgerEntry
    from tailscale_sdk.testing.server import FakeTailnet as FakeTailnet
    from tailscale_sdk.testing.waiting import no_sleep as no_sleep

if find_spec("starlette") is None or find_spec("uvicorn") is None:
    raise ConfigurationError("the embedded tailnet needs an extra: pip install 'tailscale-sdk[testing]'")

DEFAULT_DEVICES = 25
DEFAULT_SEED = 1

__all__ = [
    "DEFAULT_DEVICES",
    "DEFAULT_SEED",
    "FAULTS",
    "FakeTailnet",
    "Faults",
    "Ledger",
    "LedgerEntry",
    "SeenRequest",
    "no_sleep",
]
_HOMES = {
    "FAULTS": "faults",
    "FakeTailnet": "server",
    "Faults": "faults",
    "Ledger": "ledger",
    "LedgerEntry": "ledger",
    "SeenRequest": "faults",
    "no_sleep": "waiting",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
