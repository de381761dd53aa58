"""The one in-memory state of an embedded tailnet: API JSON, so that the snapshot file is the state."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import TYPE_CHECKING, Any

from attrs import define, field

from tailscale_sdk.testing.audit import build_actor, build_event
from tailscale_sdk.testing.clock import VirtualClock
from tailscale_sdk.testing.exchange import NO_BODY, Call, Caller, Refusal
from tailscale_sdk.testing.ids import Ids
from tailscale_sdk.testing.ledger import Ledger

if TYPE_CHECKING:
    from tailscale_sdk.testing.access import AccessToken

JsonObject = dict[str, Any]


def empty_dns() -> JsonObject:
    """Return the DNS settings of a tailnet nobody has configured."""
    return {
        "nameservers": [],
        "searchPaths": [],
        "splitDns": {},
        "preferences": {"magicDNS": False, "overrideLocalDNS": False},
    }


@define(eq=False)
class Tailnet:
    """Hold everything the handlers read and change.

    Attributes:
        name: name of the tailnet, accepted in paths like the id.
        id: id of the tailnet, ``T…CNTRL``.
        dns_name: domain of the MagicDNS names.
        clock: virtual time.
        ids: source of new ids and secrets.
        random: seeded source of everything else.
        plain: True when answers must conform to the description: no resend limits, no random oddities.
        devices: devices by nodeId, with all fields.
        secrets: secret of each object that has one (keys, webhooks, OAuth apps …) by its id.
        access_tokens: tokens handed out by the token endpoints, by their text.
        attributes: ``{"attributes": {…}, "expiries": {…}}`` by nodeId.
        service_hosts: hosts of each service by its name.
        log_streams: streaming configuration by log type.
        audit: configuration audit log, oldest first.
        flows: network flow records, oldest first.
        memory: what handlers remember beside the API's own objects, by a name of their choice.
    """

    name: str = "example.com"
    id: str = "TdemoTa1LnetCNTRL"
    dns_name: str = "tail1a2b3.example.com"
    seed: int = 1
    plain: bool = False
    clock: VirtualClock = field(factory=VirtualClock)
    ids: Ids = field(init=False)
    random: Random = field(init=False)
    ledger: Ledger = field(factory=Ledger)
    devices: dict[str, JsonObject] = field(factory=dict)
    users: dict[str, JsonObject] = field(factory=dict)
    keys: dict[str, JsonObject] = field(factory=dict)
    secrets: dict[str, str] = field(factory=dict, repr=False)
    access_tokens: dict[str, AccessToken] = field(factory=dict, repr=False)
    dns: JsonObject = field(factory=empty_dns)
    settings: JsonObject = field(factory=dict)
    contacts: JsonObject = field(factory=dict)
    webhooks: dict[str, JsonObject] = field(factory=dict)
    services: dict[str, JsonObject] = field(factory=dict)
    service_hosts: dict[str, list[JsonObject]] = field(factory=dict)
    posture_integrations: dict[str, JsonObject] = field(factory=dict)
    oauth_apps: dict[str, JsonObject] = field(factory=dict)
    user_invites: dict[str, JsonObject] = field(factory=dict)
    device_invites: dict[str, JsonObject] = field(factory=dict)
    attributes: dict[str, JsonObject] = field(factory=dict)
    log_streams: dict[str, JsonObject] = field(factory=dict)
    policy_text: str = "{}\n"
    audit: list[JsonObject] = field(factory=list)
    flows: list[JsonObject] = field(factory=list)
    memory: dict[str, Any] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.ids = Ids(self.seed)
        self.random = Random(f"{self.seed}/other")

    def target(self) -> JsonObject:
        """Return the target of audit entries about the tailnet as a whole."""
        return {"id": self.id, "name": self.name, "type": "TAILNET"}

    def device(self, identifier: str, caller: Caller | None = None) -> JsonObject:
        """Return a device by nodeId or numeric id.

        Raises:
            Refusal: 404 when there is none, or the caller may not see it.
        """
        found = self.devices.get(identifier)
        if found is None:
            found = next((d for d in self.devices.values() if d.get("id") == identifier), None)
        if found is None or (caller is not None and not self.sees(caller, found)):
            raise Refusal(404, "no device with this id in the tailnet")
        return found

    def sees(self, caller: Caller, device: JsonObject) -> bool:
        """Tell whether a caller sees a device: tokens of the tailnet do not see shared-in ones."""
        return caller.kind == "user" or device.get("isExternal") is not True

    def visible_devices(self, caller: Caller) -> Iterator[JsonObject]:
        """Give the devices a caller may see, in their order."""
        return (device for device in self.devices.values() if self.sees(caller, device))

    def record(
        self,
        call: Call,
        *,
        action: str,
        target: JsonObject,
        old: Any = NO_BODY,
        new: Any = NO_BODY,
        details: str | None = None,
    ) -> None:
        """Add a configuration audit log entry; the entries of one call share their group id.

        Args:
            call: the write being answered.
            action: CREATE, UPDATE, DELETE, APPROVE, …
            target: made by ``audit.build_target`` or ``target()``.
            old: value before, left out of the entry when not given.
            new: value afterwards, left out when not given.
            details: free text, such as the caller's comment.
        """
        if not call.event_group:
            call.event_group = self.ids.hexadecimal(32)
        self.audit.append(
            build_event(
                time=self.clock.text(),
                group=call.event_group,
                actor=build_actor(self, call.caller),
                target=target,
                action=action,
                old=old,
                new=new,
                details=details,
            )
        )
