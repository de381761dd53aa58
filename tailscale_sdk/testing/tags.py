"""Which tags exist and who may hand them out: tag grammar and the policy's ``tagOwners``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import orjson

from tailscale_sdk.errors import HuJSONError
from tailscale_sdk.policy.hujson import standardize
from tailscale_sdk.testing.exchange import Caller, Refusal
from tailscale_sdk.testing.state import Tailnet

_TAG = re.compile(r"tag:[A-Za-z][A-Za-z0-9-]*")
ADMIN_ROLES = frozenset({"owner", "admin", "network-admin", "it-admin"})


@lru_cache(maxsize=4)
def read_policy(text: str) -> Mapping[str, Any]:
    """Return the policy as plain JSON; an unreadable one counts as empty."""
    try:
        policy = orjson.loads(standardize(text))
    except (HuJSONError, orjson.JSONDecodeError):
        return {}
    return policy if isinstance(policy, dict) else {}


def tag_owners(tailnet: Tailnet) -> dict[str, list[str]]:
    """Return ``tagOwners`` of the stored policy."""
    owners = read_policy(tailnet.policy_text).get("tagOwners")
    if not isinstance(owners, dict):
        return {}
    return {tag: [o for o in (names or []) if isinstance(o, str)] for tag, names in owners.items()}


def check_spelling(tags: Iterable[str]) -> None:
    """Refuse what is not spelled like a tag.

    Raises:
        Refusal: 400.
    """
    for tag in tags:
        if not tag.startswith("tag:"):
            raise Refusal(400, "tags must start with 'tag:'")
        if not tag[4:5].isascii() or not tag[4:5].isalpha():
            raise Refusal(400, "tag names must start with a letter, after 'tag:'")
        if not _TAG.fullmatch(tag):
            raise Refusal(400, "tag names can only contain letters, numbers, or dashes")


def check_tags(tailnet: Tailnet, caller: Caller, tags: Iterable[str]) -> None:
    """Refuse tags that are misspelled, not in ``tagOwners`` or not the caller's to hand out.

    Raises:
        Refusal: 400 with the live text.
    """
    wanted = list(tags)
    check_spelling(wanted)
    owners = tag_owners(tailnet)
    refused = [tag for tag in wanted if tag not in owners or not _owns(tailnet, caller, tag, owners)]
    if refused:
        raise Refusal(400, f"requested tags [{' '.join(refused)}] are invalid or not permitted")


def _owns(tailnet: Tailnet, caller: Caller, tag: str, owners: Mapping[str, list[str]]) -> bool:
    if caller.kind == "tailnet":
        return _owned_by_tags(tag, caller.tags, owners)
    user = tailnet.users.get(caller.user_id or "", {})
    return user.get("role") in ADMIN_ROLES or _owned_by_user(tailnet, tag, user, owners)


def _owned_by_tags(tag: str, held: tuple[str, ...], owners: Mapping[str, list[str]]) -> bool:
    """Follow owners that are tags themselves; a token without tags of its own may use every tag."""
    if not held:
        return True
    seen: set[str] = set()
    waiting = [tag]
    while waiting:
        current = waiting.pop()
        if current in held:
            return True
        if current not in seen:
            seen.add(current)
            waiting.extend(owner for owner in owners.get(current, []) if owner.startswith("tag:"))
    return False


def _owned_by_user(
    tailnet: Tailnet, tag: str, user: Mapping[str, Any], owners: Mapping[str, list[str]]
) -> bool:
    groups = read_policy(tailnet.policy_text).get("groups")
    login = user.get("loginName")
    names = {login, "autogroup:member", f"autogroup:{user.get('role')}"}
    if isinstance(groups, dict):
        names.update(name for name, members in groups.items() if login in (members or []))
    return any(owner in names for owner in owners.get(tag, []))
