"""The tailscale-sdk command."""

from __future__ import annotations

from tailscale_sdk.cli.command import main

__all__ = ["main"]
