"""Edits of the policy of an embedded tailnet: one's own, and those of somebody else."""

from __future__ import annotations

from typing import Any

from tailscale_sdk.testing.policy_text import policy_etag
from tests.changes.engine.support import World

MINE, THEIRS = "\n// mine\n", "\n// theirs\n"


def stored(made: World) -> str:
    """Return the policy as it is."""
    text: str = made.tailnet.tailnet.policy_text
    return text


def edit(made: World, addition: str = MINE) -> dict[str, Any]:
    """Return the arguments of an edit based on what is stored now."""
    text = stored(made)
    return {"policy": text + addition, "if_match": policy_etag(text)}


def somebody_else(made: World) -> str:
    """Let another writer save an edit, and return it."""
    text = stored(made) + THEIRS
    made.tailnet.tailnet.policy_text = text
    return text


def writes(made: World) -> int:
    """Return how many policies were sent to be stored, whatever became of them."""
    return made.sent().count("setPolicyFile")
