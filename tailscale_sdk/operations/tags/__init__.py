"""Tags: inventory, naming, and rules that give devices their tags."""

from tailscale_sdk.operations.tags.automation import (
    TagChange,
    TagProposal,
    access_of_tags,
    propose_tags,
)
from tailscale_sdk.operations.tags.inventory import NamingRules, TagInventory, TagUse, tag_inventory
from tailscale_sdk.operations.tags.rules import TagRule, read_rules, read_rules_file

__all__ = [
    "NamingRules",
    "TagChange",
    "TagInventory",
    "TagProposal",
    "TagRule",
    "TagUse",
    "access_of_tags",
    "propose_tags",
    "read_rules",
    "read_rules_file",
    "tag_inventory",
]
