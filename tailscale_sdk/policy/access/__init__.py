"""Questions about access: why, who, what, and who may change that."""

from tailscale_sdk.policy.access.explaining import explain
from tailscale_sdk.policy.access.facts import Answer, Fact, cite
from tailscale_sdk.policy.access.question import Question, part_destination, read_question
from tailscale_sdk.policy.access.reaching import ReachRow, merge_families, reach
from tailscale_sdk.policy.access.rights import (
    TagHolders,
    approvers_of,
    approves,
    funnel_devices,
    tag_holders,
)

__all__ = [
    "Answer",
    "Fact",
    "Question",
    "ReachRow",
    "TagHolders",
    "approvers_of",
    "approves",
    "cite",
    "explain",
    "funnel_devices",
    "merge_families",
    "part_destination",
    "reach",
    "read_question",
    "tag_holders",
]
