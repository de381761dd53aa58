"""Prompts: how an experienced admin would go about a task with these tools; the text is ours, arguments are quoted."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from attrs import frozen
from fastmcp.prompts.base import Message, Prompt, PromptArgument, PromptResult
from pydantic import PrivateAttr

from tailscale_sdk.redact import redact
from tailscale_sdk.visible import visible

ARGUMENT_LIMIT = 256
"""Characters of an argument that a prompt repeats."""

POLICY_LIMIT = 256 * 1024
"""Characters of a policy text that a prompt repeats."""


@frozen
class Guide:
    """Describe one prompt.

    Attributes:
        arguments: name, description and whether it is required.
        text: what the model is asked, with ``{name}`` for each argument.
        defaults: values of arguments that were left out.
        domains: domains whose tools it needs.
        texts: arguments that are whole texts: their lines stay, and they may be long.
    """

    name: str
    description: str
    arguments: tuple[tuple[str, str, bool], ...]
    text: str
    defaults: Mapping[str, str] = {}
    domains: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()


GUIDES: tuple[Guide, ...] = (
    Guide(
        "investigate_device",
        "Find out the state of one device and what may be wrong with it",
        (("device", "name, address or node id of the device", True),),
        """Investigate the device {device} of this tailnet. Only read; change nothing.
1. devices_read get with device_id set to it. If several devices answer to the name, list them and ask which one.
2. devices_read get_routes: compare advertised with approved routes.
3. devices_read get_attributes: posture attributes that policies may ask for.
4. Say in a few lines: is it connected, when was it last seen, is it authorised, does its key expire and when,
   is its client older than others, which routes wait for approval, which tags or owner it has.
5. Name what looks wrong and the exact call that would fix it, without making it.""",
        domains=("devices",),
    ),
    Guide(
        "onboard_user",
        "Invite a person and make sure they can work",
        (("email", "mail address of the person", True), ("role", "role to give, member if left out", False)),
        """Bring {email} into this tailnet with the role {role}.
1. settings_read get: tell whether new users and devices need approval.
2. fleet_write onboard with login {email} and role {role}, first with dry_run: it invites, approves or restores,
   whatever is missing, and says so if nothing is.
3. Show the plan, carry it out once the user of this chat agrees, and say what happens next: who has to approve what,
   and which groups of the policy would let them reach something (policy_change add_member).""",
        {"role": "member"},
        ("fleet", "users", "settings"),
    ),
    Guide(
        "offboard_user",
        "Take a person's access away, in an order that loses nothing",
        (("user", "login name or id of the user", True),),
        """Take {user} out of this tailnet; ask before anything is changed.
1. users_read list to find the user. Stop if several fit.
2. fleet_read find with the query owner: and their login name: name their devices, and say what else depends on them,
   such as subnet routers (fleet_read routes) and exit nodes (fleet_read exit_nodes).
3. fleet_delete offboard with their login: one plan that suspends them, logs their devices out, deletes their keys and
   takes them out of the policy's groups. Show every item, what is left alone, and the notes on what the API cannot do.
4. Carry it out only when the user of this chat confirms. Say what became of each item; a rest is resumed with
   fleet_delete resume, never done again by hand.""",
        domains=("fleet", "users"),
    ),
    Guide(
        "clean_stale_devices",
        "Find devices nobody uses any more and remove them safely",
        (("days", "days without contact, 90 if left out", False),),
        """Find the devices of this tailnet that had no contact for {days} days, and propose what to do.
1. fleet_read stale with days {days}: every silent device with its stage, and why one stays (routers, exit nodes,
   hosts of services, protected ones).
2. Show them with owner and days of silence, the longest first, and ask which way to go: mark them
   (fleet_write mark_stale), cut them off so that a login brings them back (fleet_delete quarantine), or remove those
   that were in quarantine for two weeks (fleet_delete remove_stale; skip_quarantine only when it is asked for).
3. Each of these answers with a plan first. Show it whole, with what is left alone and why.
4. Carry it out only when the user of this chat confirms, and report each item.""",
        {"days": "90"},
        ("fleet",),
    ),
    Guide(
        "rotate_key",
        "Give a credential a successor and retire the old one",
        (("key", "id or description of the key", True),),
        """Rotate the credential {key} of this tailnet.
1. fleet_read expiring and keys_read list to find it. Stop if several fit, or if it is an API access token: the API
   cannot make those.
2. fleet_write rotate_key with its id: show what the successor may do and where its secret is written. The secret is
   in a file on the machine of this server; nobody reads it out here.
3. Say that both are valid for a week. When everything uses the new one: fleet_delete retire_key with the old id.""",
        domains=("fleet", "keys"),
    ),
    Guide(
        "audit_tailnet",
        "Find out what is wrong with the tailnet, and mend what can be mended",
        (("focus", "check, family such as KEY, or severity; everything if left out", False),),
        """Audit this tailnet, with a look at {focus}. Only read until the user of this chat agrees to a plan.
1. audit_read run: say the three checks under today in one sentence each: what is wrong, for whom, what to do.
2. audit_read findings with filter set to what is asked for (high, KEY, new or a name; leave it out for everything).
   For each finding that matters, audit_read explain with its fingerprint: quote the evidence and the policy line.
3. Say what could not be judged and which scope is missing; never take it for being in order. What is manual needs a
   person who looks.
4. For what is fixable, fleet_delete fix with the checks or fingerprints, if it is served: it answers with a plan.
   Show every item, what is left alone and why. What people will notice is planned only for findings named by
   fingerprint.
5. Carry it out only when the user of this chat confirms, then audit_read run again and say what is resolved.""",
        {"focus": "everything"},
        ("audit",),
    ),
    Guide(
        "explain_access",
        "Find out why somebody can or cannot reach something, and what would change that",
        (
            ("source", "user, device, tag or group that connects", True),
            ("destination", "device, tag, host or address that is connected to", True),
            ("port", "port number, ssh or icmp; any port if left out", False),
        ),
        """Find out whether {source} can reach {destination} at port {port} in this tailnet, and why. Only read.
1. access_read explain with source, destination and port (leave port out when it is "any"). If a name is not clear,
   list what it may be and ask.
2. Tell the two verdicts apart: what the policy allows, and what stands in the way now: key expired, offline,
   route not approved, posture. Quote the rule and its line for each.
3. If the answer is unknown, name the missing fact and how to get it; never guess it to be yes or no.
4. If it should be different: propose the smallest change. Write the new policy text and show access_read diff of it,
   so that nobody else gains or loses anything unnoticed. Change nothing.""",
        {"port": "any"},
        ("access",),
    ),
    Guide(
        "review_policy_change",
        "Judge a new policy text before it is applied: who gains and who loses access, and what is risky",
        (("policy", "the new policy as HuJSON text", True),),
        """Review a change of this tailnet's access policy. Only read; change nothing.
The new policy, as one JSON string: {policy}
1. policy_read validate with policy set to it. At an error say the line and stop.
2. access_read diff with policy set to it: who gains and who loses what, and its risks.
3. access_read lint with policy set to it, and access_read lint without: findings that are new.
4. For each gain or loss that may not be meant, access_read explain with policy set to it, for one source and
   destination of it.
5. Sum up in a few lines: what it is for, whether it does that and nothing else, risks by weight, tests that are
   missing. Say plainly whether you would apply it.
6. Applying is another step, and needs a person: the tool policy_change with text set to it, if it is served.""",
        domains=("access", "policy"),
        texts=("policy",),
    ),
)


class GuidePrompt(Prompt):
    """Serve one guide."""

    _guide: Guide = PrivateAttr()

    @classmethod
    def build(cls, guide: Guide) -> GuidePrompt:
        """Make the prompt of a guide."""
        prompt = cls(
            name=guide.name,
            description=guide.description,
            arguments=[
                PromptArgument(name=name, description=description, required=required)
                for name, description, required in guide.arguments
            ],
        )
        prompt._guide = guide
        return prompt

    async def render(self, arguments: dict[str, Any] | None = None) -> PromptResult:
        """Fill in the arguments, each quoted as data."""
        given = {**self._guide.defaults, **(arguments or {})}
        shown = {
            name: quoted(given.get(name, ""), text=name in self._guide.texts)
            for name, _, _ in self._guide.arguments
        }
        return PromptResult([Message(self._guide.text.format(**shown))])


def quoted(value: Any, *, text: bool = False) -> str:
    """Quote an argument so that it stays one word of data within the prompt.

    Args:
        value: the argument.
        text: it is a whole text with lines.
    """
    limit = POLICY_LIMIT if text else ARGUMENT_LIMIT
    return json.dumps(visible(redact(str(value)), limit=limit, multiline=text), ensure_ascii=False)


def build_prompts(domains: Collection[str]) -> list[GuidePrompt]:
    """Make the prompts whose tools are served.

    Args:
        domains: domains of the served tools.
    """
    return [GuidePrompt.build(guide) for guide in GUIDES if set(guide.domains) <= set(domains)]
