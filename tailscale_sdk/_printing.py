"""What is printed reaches its reader, or nobody: a reader who has seen enough is no error."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable


def printed(run: Callable[[], int]) -> int:
    """Run a command and write out what it printed; return its exit code, 0 where the reader was gone.

    Args:
        run: the command.
    """
    try:
        try:
            return run()
        finally:
            # Else the rest is written when the interpreter ends, where nothing catches what goes wrong.
            if not sys.stdout.closed:
                sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
