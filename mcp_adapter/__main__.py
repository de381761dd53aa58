"""Start the server with ``python -m mcp_adapter``."""

from __future__ import annotations

import sys

from mcp_adapter.cli import main

if __name__ == "__main__":
    sys.exit(main())
