"""Every model of the API, for annotations and for building nested request values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tailscale_sdk._generated import models as _models

if TYPE_CHECKING:
    from tailscale_sdk._generated.models import *  # noqa: F403


def __getattr__(name: str) -> Any:
    return getattr(_models, name)


def __dir__() -> list[str]:
    return dir(_models)
