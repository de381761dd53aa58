"""What the calls of one client share so that they do not harm the service together."""

from __future__ import annotations

from attrs import frozen

from tailscale_sdk.transport.budget import RetryBudget
from tailscale_sdk.transport.gate import Gate


@frozen
class Pacing:
    """Hold the retry budget and the gate that a 429 shuts."""

    budget: RetryBudget
    gate: Gate
