"""python -m tailscale_sdk is the tailscale-sdk command."""

from __future__ import annotations

import sys

from tailscale_sdk.cli import main

if __name__ == "__main__":
    sys.exit(main())
