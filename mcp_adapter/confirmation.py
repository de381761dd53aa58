"""Asking a person, in both eras of the protocol, in words that no name in the tailnet can bend."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

from attrs import frozen

from tailscale_sdk.redact import redact
from tailscale_sdk.visible import visible

NAME_LIMIT = 64
"""Characters of a name somebody else chose."""

DIFF_LINES = 20
"""Lines of a difference before "n more lines"."""

LINE_LIMIT = 160

WHOLE_ITEMS = 3
"""Items that are shown whole; more of them are counted, and named in a line each."""

ITEM_LINES = 20

QUESTION = "confirm"
"""Key of the one question a round asks."""

_FIELD = "proceed"
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {_FIELD: {"type": "boolean", "title": "Proceed", "description": "Carry out this change"}},
    "required": [_FIELD],
}

Answer = Literal["accepted", "declined", "unavailable"]


@frozen
class Asked:
    """Hold what asking came to.

    Attributes:
        answer: accepted, declined, or unavailable when this client has nobody to ask.
        round_trip: the result to return now, when the client will repeat the call with the answer.
    """

    answer: Answer | None
    round_trip: Any = None


def question_of(plan: Any, action: str) -> str:
    """Write what a person is asked: the action, the operation, ids and addresses, then the quoted name.

    Args:
        plan: of the change engine.
        action: tool and action, in our words.
    """
    lines = [f"Confirm: {action}"]
    if len(plan.due) > WHOLE_ITEMS:
        return "\n".join([*lines, *_summary(plan.due)])
    for item in plan.due:
        target = item.target
        lines.append(f"Operation: {item.call.operation_id} ({item.call.method} {one_line(item.call.path)})")
        lines.append(
            f"Target: {target.kind} {one_line(target.id)}"
            + (f" ({one_line(target.address)})" if target.address else "")
        )
        if target.name:
            lines.append(f"Name: {quoted(target.name)}")
        lines += [f"Note: {risk}" for risk in item.risk]
        lines += difference(item.before, item.after)
    return "\n".join(lines)


def _summary(items: Any) -> list[str]:
    """Write many items: what is done how often, what to think of, and one line each up to a limit."""
    counts = Counter(item.call.operation_id for item in items)
    lines = [f"Operation: {operation}, {count} times" for operation, count in counts.items()]
    notes = dict.fromkeys(risk for item in items for risk in item.risk)
    lines += [f"Note: {risk}" for risk in list(notes)[:DIFF_LINES]]
    lines += [f"{len(notes) - DIFF_LINES} more notes"] if len(notes) > DIFF_LINES else []
    for item in items[:ITEM_LINES]:
        name = f" {quoted(item.target.name)}" if item.target.name else ""
        lines.append(f"Target: {item.target.kind} {one_line(item.target.id)}{name}")
    lines += [f"{len(items) - ITEM_LINES} more targets"] if len(items) > ITEM_LINES else []
    return lines


def one_line(value: Any) -> str:
    """Write a value of the tailnet so that it stays on its line."""
    return visible(redact(str(value)), limit=LINE_LIMIT)


def quoted(value: str) -> str:
    """Quote a name somebody else chose: it cannot close the quotes, add a line or pass for a field of ours."""
    return json.dumps(visible(redact(value), limit=NAME_LIMIT), ensure_ascii=False)


def difference(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[str]:
    """Write what changes, one field or one line of a policy each, capped."""
    if before is None or after is None:
        return []
    old_policy, new_policy = before.get("policy"), after.get("policy")
    if isinstance(old_policy, str) and isinstance(new_policy, str):
        lines = policy_difference(old_policy, new_policy)
    else:
        lines = [
            f"{name}: {_brief(before.get(name))} -> {_brief(after.get(name))}"
            for name in sorted({*before, *after})
            if before.get(name) != after.get(name)
        ]
    shown = lines[:DIFF_LINES]
    return [*shown, *([f"{len(lines) - len(shown)} more lines"] if len(lines) > len(shown) else [])]


def policy_difference(old: str, new: str) -> list[str]:
    """Write the lines in which two policies differ, without those around them."""
    import difflib

    found = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=0)
    return [f"{line[0]} {one_line(line[1:])}" for line in list(found)[2:] if not line.startswith("@@")]


def _brief(value: Any) -> str:
    return visible(redact(json.dumps(value, ensure_ascii=False)), limit=LINE_LIMIT)


async def ask(context: Any, question: str, plan_id: str) -> Asked:
    """Ask the person behind the client, if there is one.

    Args:
        context: FastMCP's context of the call.
        question: what they are asked.
        plan_id: of the plan the question is about; sealed into the round trip of the modern era.
    """
    if not can_ask(context):
        return Asked("unavailable")
    if is_modern(context):
        return Asked(None, round_trip=_input_required(question, plan_id))
    return await _elicit(context, question)


def is_modern(context: Any) -> bool:
    """Tell whether the call came in the era without a way back to the client."""
    from mcp_types.version import MODERN_PROTOCOL_VERSIONS

    request = context.request_context
    return request is not None and request.protocol_version in MODERN_PROTOCOL_VERSIONS


def can_ask(context: Any) -> bool:
    """Tell whether the client said that it can put a form before a person."""
    if context is None or context.request_context is None:
        return False
    capabilities = getattr(context.session, "client_capabilities", None)
    elicitation = getattr(capabilities, "elicitation", None)
    if elicitation is None:
        return False
    # A client that names its modes without the form one can only open pages; an empty object means forms.
    modes = {name for name in ("form", "url") if getattr(elicitation, name, None) is not None}
    return not modes or "form" in modes


def _input_required(question: str, plan_id: str) -> Any:
    from fastmcp.tools.base import InputRequiredToolResult
    from mcp_types import ElicitRequest, ElicitRequestFormParams, InputRequiredResult

    request = ElicitRequest(params=ElicitRequestFormParams(message=question, requested_schema=_SCHEMA))
    return InputRequiredToolResult(
        InputRequiredResult(input_requests={QUESTION: request}, request_state=plan_id)
    )


def answered(context: Any) -> tuple[str, Answer] | None:
    """Return the plan and the answer a modern client came back with; None in the first round."""
    if context is None or not is_modern(context):
        return None
    responses, plan_id = context.input_responses, context.request_state
    if responses is None or plan_id is None:
        return None
    response = responses.get(QUESTION)
    accepted = getattr(response, "action", None) == "accept" and _says_yes(getattr(response, "content", None))
    return plan_id, "accepted" if accepted else "declined"


def _says_yes(content: Any) -> bool:
    return isinstance(content, Mapping) and content.get(_FIELD) is True


async def _elicit(context: Any, question: str) -> Asked:
    from mcp.shared.exceptions import MCPError

    try:
        result = await context.session.elicit_form(
            message=question, requested_schema=_SCHEMA, related_request_id=context.request_id
        )
    except MCPError:
        # It said that it can ask and then could not.
        return Asked("unavailable")
    accepted = result.action == "accept" and _says_yes(result.content)
    return Asked("accepted" if accepted else "declined")
