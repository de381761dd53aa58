"""Edits of a policy by intent: textual patches, so that comments and every other byte stay."""

from tailscale_sdk.policy.edits.editing import Edit, edited, operations_of, undoing
from tailscale_sdk.policy.edits.kinds import (
    AddACL,
    AddGrant,
    AddMember,
    AddRouteApprover,
    AddSSHTest,
    AddTagOwner,
    AddTest,
    CreateGroup,
    PatchText,
    RemoveACL,
    RemoveGrant,
    RemoveGroup,
    RemoveHost,
    RemoveMember,
    RemoveRouteApprover,
    RemoveTagOwner,
    SetHost,
)
from tailscale_sdk.policy.edits.places import Operation

__all__ = [
    "AddACL",
    "AddGrant",
    "AddMember",
    "AddRouteApprover",
    "AddSSHTest",
    "AddTagOwner",
    "AddTest",
    "CreateGroup",
    "Edit",
    "Operation",
    "PatchText",
    "RemoveACL",
    "RemoveGrant",
    "RemoveGroup",
    "RemoveHost",
    "RemoveMember",
    "RemoveRouteApprover",
    "RemoveTagOwner",
    "SetHost",
    "edited",
    "operations_of",
    "undoing",
]
