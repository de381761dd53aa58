"""Which tags need a test, and which of them one that keeps somebody out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tailscale_sdk.operations.audit.checks.reach import production_tags
from tailscale_sdk.operations.audit.checks.rules import opened
from tailscale_sdk.operations.audit.judged_policy import JudgedPolicy
from tailscale_sdk.operations.audit.model import Audited
from tailscale_sdk.policy.compile.naming import read_selector
from tailscale_sdk.policy.lint.coverage import protected_tags


def lacking_tests(judged: JudgedPolicy) -> Mapping[str, Sequence[str]]:
    """Return the tags a policy without tests needs some for.

    Args:
        judged: the policy.
    """
    tags = sorted(protected_tags(judged.policy))
    return {"accept": tags, "deny": tags} if tags else {}


def lacking_ssh_tests(judged: JudgedPolicy) -> Mapping[str, Sequence[str]]:
    """Return the tags a policy with ssh rules and without sshTests needs some for.

    Args:
        judged: the policy.
    """
    tags = {each.name for rule in judged.policy.ssh for each in rule.destinations if each.kind == "tag"}
    return {"ssh": sorted(tags)} if tags else {}


def is_protected(tag: str, judged: JudgedPolicy, audited: Audited) -> bool:
    """Tell whether a test has to keep somebody from a tag.

    Where no test keeps anybody from anything, every tag that a rule opens needs one. Else production does; in a
    tailnet whose production has no name every tag does, but for those that all members may reach.

    Args:
        tag: that a rule opens, and no test closes to anybody.
        judged: the policy.
        audited: with the options.
    """
    if not any(test.deny for test in judged.policy.tests):
        return True
    if _is_closed_by_address(tag, judged):
        return False
    production = production_tags(judged, audited)
    return tag in production if production else not _is_for_all(tag, judged)


def _is_closed_by_address(tag: str, judged: JudgedPolicy) -> bool:
    tagged = judged.compiled.selection.tagged.get(tag, 0)
    texts = (text.rpartition(":")[0] for test in judged.policy.tests for text in test.deny or ())
    return any(judged.devices_at(read_selector(judged.policy, text)) & tagged for text in texts)


def _is_for_all(tag: str, judged: JudgedPolicy) -> bool:
    return any(
        judged.width(rule.sources).members
        for rule in judged.policy.rules
        if any(each.selector.name == tag for each in opened(rule))
    )
