"""A typed Python SDK for the Tailscale API.

Importing this package loads next to nothing; each name is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tailscale_sdk._version import __version__

if TYPE_CHECKING:
    from tailscale_sdk._generated.operations import API_DESCRIPTION as API_DESCRIPTION
    from tailscale_sdk._generated.operations import OPERATIONS as OPERATIONS
    from tailscale_sdk._generated.operations import Operation as Operation
    from tailscale_sdk.auth import Access as Access
    from tailscale_sdk.auth import ApiKey as ApiKey
    from tailscale_sdk.auth import OAuthClient as OAuthClient
    from tailscale_sdk.auth import Secret as Secret
    from tailscale_sdk.auth import WorkloadIdentity as WorkloadIdentity
    from tailscale_sdk.calls.policy_file import PolicyDocument as PolicyDocument
    from tailscale_sdk.calls.policy_file import PolicyValidation as PolicyValidation
    from tailscale_sdk.calls.prepared import PreparedCall as PreparedCall
    from tailscale_sdk.client import AsyncTailscale as AsyncTailscale
    from tailscale_sdk.client import Tailscale as Tailscale
    from tailscale_sdk.errors import APIConnectionError as APIConnectionError
    from tailscale_sdk.errors import APIStatusError as APIStatusError
    from tailscale_sdk.errors import APITimeoutError as APITimeoutError
    from tailscale_sdk.errors import AuthenticationError as AuthenticationError
    from tailscale_sdk.errors import BadRequestError as BadRequestError
    from tailscale_sdk.errors import ChangeRefusedError as ChangeRefusedError
    from tailscale_sdk.errors import ClientLoopError as ClientLoopError
    from tailscale_sdk.errors import ConfigurationError as ConfigurationError
    from tailscale_sdk.errors import ConflictError as ConflictError
    from tailscale_sdk.errors import DecodeError as DecodeError
    from tailscale_sdk.errors import HuJSONError as HuJSONError
    from tailscale_sdk.errors import IncompleteStreamError as IncompleteStreamError
    from tailscale_sdk.errors import NotFoundError as NotFoundError
    from tailscale_sdk.errors import OutcomeUnknownError as OutcomeUnknownError
    from tailscale_sdk.errors import PermissionDeniedError as PermissionDeniedError
    from tailscale_sdk.errors import PlanRefusedError as PlanRefusedError
    from tailscale_sdk.errors import PolicyError as PolicyError
    from tailscale_sdk.errors import PreconditionFailedError as PreconditionFailedError
    from tailscale_sdk.errors import RateLimitError as RateLimitError
    from tailscale_sdk.errors import ResponseTooLargeError as ResponseTooLargeError
    from tailscale_sdk.errors import ServerError as ServerError
    from tailscale_sdk.errors import StateError as StateError
    from tailscale_sdk.errors import TailscaleError as TailscaleError
    from tailscale_sdk.errors import WebhookError as WebhookError
    from tailscale_sdk.snapshot import TailnetSnapshot as TailnetSnapshot
    from tailscale_sdk.transport.hooks import Hooks as Hooks
    from tailscale_sdk.transport.hooks import RequestEvent as RequestEvent
    from tailscale_sdk.transport.hooks import ResponseEvent as ResponseEvent
    from tailscale_sdk.transport.hooks import RetryEvent as RetryEvent
    from tailscale_sdk.transport.hooks import combine as combine
    from tailscale_sdk.transport.hooks import logging_hooks as logging_hooks
    from tailscale_sdk.transport.reply import RawResponse as RawResponse

_HOMES = {
    "_generated.operations": ("API_DESCRIPTION", "OPERATIONS", "Operation"),
    "auth": ("Access", "ApiKey", "OAuthClient", "Secret", "WorkloadIdentity"),
    "calls.policy_file": ("PolicyDocument", "PolicyValidation"),
    "calls.prepared": ("PreparedCall",),
    "client": ("AsyncTailscale", "Tailscale"),
    "errors": (
        "APIConnectionError",
        "APIStatusError",
        "APITimeoutError",
        "AuthenticationError",
        "BadRequestError",
        "ChangeRefusedError",
        "ClientLoopError",
        "ConfigurationError",
        "ConflictError",
        "DecodeError",
        "HuJSONError",
        "IncompleteStreamError",
        "NotFoundError",
        "OutcomeUnknownError",
        "PermissionDeniedError",
        "PlanRefusedError",
        "PolicyError",
        "PreconditionFailedError",
        "RateLimitError",
        "ResponseTooLargeError",
        "ServerError",
        "StateError",
        "TailscaleError",
        "WebhookError",
    ),
    "snapshot": ("TailnetSnapshot",),
    "transport.hooks": ("Hooks", "RequestEvent", "ResponseEvent", "RetryEvent", "combine", "logging_hooks"),
    "transport.reply": ("RawResponse",),
}
_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = ["__version__", *sorted(_MODULE_OF)]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
