"""The calls that stand for their classes: what each asks for, and what it leaves behind on the tailnet."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from attrs import frozen

from tailscale_sdk import OPERATIONS

if TYPE_CHECKING:
    from tests.reliability.stage import Stage

TAGS = ["tag:web"]
HOOK_URL = "https://hooks.example.com/new"
KEY_TEXT = "made by a deed"
KEY_TAGS = ["tag:web"]
CAPABILITIES = {"devices": {"create": {"reusable": False, "tags": KEY_TAGS}}}
SUBSCRIPTIONS = ["nodeCreated"]


@frozen
class Deed:
    """Describe one representative of a class.

    Attributes:
        operation: operation id.
        call: calls it on a client of either kind.
        holds: how often, by the state of the tailnet, it is done; a read never is.
        answers: tells whether what the method returned is right.
    """

    operation: str
    call: Callable[[Any, Stage], Any]
    holds: Callable[[Stage], int]
    answers: Callable[[Any, Stage], bool]

    @property
    def retry_class(self) -> str:
        """Return the class it stands for."""
        return OPERATIONS[self.operation].retry_class


def live_keys(stage: Stage) -> list[str]:
    """Return the ids of the working keys that a deed made."""
    return [
        identifier
        for identifier, key in stage.tailnet.tailnet.keys.items()
        if identifier not in stage.pristine["keys"] and not key.get("invalid") and not key.get("revoked")
    ]


def new_hooks(stage: Stage) -> list[str]:
    """Return the ids of the webhooks that a deed made."""
    return [
        identifier
        for identifier in stage.tailnet.tailnet.webhooks
        if identifier not in stage.pristine["webhooks"]
    ]


def _is_new_key(key: Any, stage: Stage) -> bool:
    return [key.id] == live_keys(stage) and key.key == stage.tailnet.tailnet.secrets[key.id]


def _is_new_hook(hook: Any, stage: Stage) -> bool:
    secrets = stage.tailnet.tailnet.secrets
    return [hook.endpoint_id] == new_hooks(stage) and hook.secret == secrets[hook.endpoint_id]


GET_DEVICE = Deed(
    "getDevice",
    lambda client, stage: client.devices.get(stage.device),
    lambda stage: 0,
    lambda device, stage: device.node_id == stage.device,
)
GET_POLICY = Deed(
    "getPolicyFile",
    lambda client, stage: client.policy.get(),
    lambda stage: 0,
    lambda document, stage: document.text == stage.base,
)
SET_TAGS = Deed(
    "setDeviceTags",
    lambda client, stage: client.devices.set_tags(stage.device, tags=TAGS),
    lambda stage: int(stage.tailnet.tailnet.devices[stage.device]["tags"] == TAGS),
    lambda nothing, stage: nothing is None,
)
DELETE_DEVICE = Deed(
    "deleteDevice",
    lambda client, stage: client.devices.delete(stage.device),
    lambda stage: int(stage.device not in stage.tailnet.tailnet.devices),
    lambda nothing, stage: nothing is None,
)
SET_POLICY = Deed(
    "setPolicyFile",
    lambda client, stage: client.policy.set(stage.wanted, if_match=stage.etag),
    lambda stage: int(stage.tailnet.tailnet.policy_text == stage.wanted),
    lambda document, stage: document.text == stage.wanted,
)
CREATE_KEY = Deed(
    "createKey",
    lambda client, stage: client.keys.create(description=KEY_TEXT, capabilities=CAPABILITIES),
    lambda stage: len(live_keys(stage)),
    _is_new_key,
)
CREATE_HOOK = Deed(
    "createWebhook",
    lambda client, stage: client.webhooks.create(endpoint_url=HOOK_URL, subscriptions=SUBSCRIPTIONS),
    lambda stage: len(new_hooks(stage)),
    _is_new_hook,
)
ROTATE = Deed(
    "rotateWebhookSecret",
    lambda client, stage: client.webhooks.rotate_secret(stage.hook),
    lambda stage: int(stage.tailnet.tailnet.secrets[stage.hook] != stage.pristine["secrets"][stage.hook]),
    lambda hook, stage: hook.secret == stage.tailnet.tailnet.secrets[stage.hook],
)
DEEDS = (GET_DEVICE, GET_POLICY, SET_TAGS, DELETE_DEVICE, SET_POLICY, CREATE_KEY, CREATE_HOOK, ROTATE)
