"""The devices of a tailnet as operations look at them: every fact read once, nothing trusted to be there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cached_property
from typing import Any, Final, Literal

from attrs import field, frozen

from tailscale_sdk.operations.fleet.versions import Version, read_version
from tailscale_sdk.operations.values import (
    Network,
    flag_of,
    mapping_of,
    moment_of,
    network_of,
    text_of,
    texts_of,
)
from tailscale_sdk.snapshot import TailnetSnapshot

EXIT_ROUTES: Final = ("0.0.0.0/0", "::/0")
ExitState = Literal["no", "pending", "partial", "approved"]


@frozen
class Device:
    """Hold one device.

    Attributes:
        fields: everything the API says of it.
    """

    fields: Mapping[str, Any] = field(repr=False)

    @cached_property
    def id(self) -> str:
        """Return its nodeId, the one name that stays."""
        return text_of(self.fields, "nodeId")

    @cached_property
    def legacy_id(self) -> str:
        """Return the older numeric id, which is accepted as input only."""
        return text_of(self.fields, "id")

    @cached_property
    def name(self) -> str:
        """Return its name in the tailnet, such as ``web.example.ts.net``."""
        return text_of(self.fields, "name")

    @cached_property
    def hostname(self) -> str:
        """Return what its operating system calls it; whoever owns the device sets it."""
        return text_of(self.fields, "hostname")

    @cached_property
    def label(self) -> str:
        """Return what people call it: the first part of its name."""
        return self.name.split(".", 1)[0] or self.hostname or self.id

    @cached_property
    def os(self) -> str:
        """Return its operating system."""
        return text_of(self.fields, "os")

    @cached_property
    def user(self) -> str:
        """Return who registered it; of a tagged device that is not the owner."""
        return text_of(self.fields, "user")

    @cached_property
    def owner(self) -> str:
        """Return the login name of whose it is; empty for tagged devices and those of other tailnets."""
        return "" if self.tags or self.is_external else self.user

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """Return its tags."""
        return texts_of(self.fields, "tags")

    @cached_property
    def addresses(self) -> tuple[str, ...]:
        """Return its Tailscale addresses as text."""
        return texts_of(self.fields, "addresses")

    @cached_property
    def ipv4(self) -> str | None:
        """Return its first IPv4 address."""
        return next((address for address in self.addresses if ":" not in address), None)

    @cached_property
    def version(self) -> Version | None:
        """Return its client version, None where that is not known."""
        return read_version(text_of(self.fields, "clientVersion"))

    @cached_property
    def is_connected(self) -> bool:
        """Tell whether it is connected to the control server now."""
        return self.fields.get("connectedToControl") is True

    @cached_property
    def last_seen(self) -> datetime | None:
        """Return its last contact; None while it is connected, and where it never was."""
        return moment_of(self.fields, "lastSeen")

    @cached_property
    def created(self) -> datetime | None:
        """Return when it joined."""
        return moment_of(self.fields, "created")

    @cached_property
    def expires(self) -> datetime | None:
        """Return when its key expires; None where key expiry is off, whatever date the API keeps."""
        return None if self.is_key_expiry_disabled else moment_of(self.fields, "expires")

    @cached_property
    def is_key_expiry_disabled(self) -> bool:
        """Tell whether its key never expires."""
        return self.fields.get("keyExpiryDisabled") is True

    @cached_property
    def is_authorized(self) -> bool | None:
        """Tell whether it is approved."""
        return flag_of(self.fields, "authorized")

    @cached_property
    def is_external(self) -> bool:
        """Tell whether it belongs to another tailnet and is shared into this one."""
        return self.fields.get("isExternal") is True

    @cached_property
    def is_ephemeral(self) -> bool:
        """Tell whether the control plane removes it by itself."""
        return self.fields.get("isEphemeral") is True

    @cached_property
    def advertised(self) -> tuple[str, ...]:
        """Return the routes it offers, exit routes included."""
        return texts_of(self.fields, "advertisedRoutes")

    @cached_property
    def approved(self) -> tuple[str, ...]:
        """Return the routes an admin allowed, exit routes included."""
        return texts_of(self.fields, "enabledRoutes")

    @cached_property
    def advertised_subnets(self) -> frozenset[Network]:
        """Return the subnets it offers, normalised, without exit routes."""
        return frozenset(_subnets(self.advertised))

    @cached_property
    def approved_subnets(self) -> frozenset[Network]:
        """Return the subnets an admin allowed, normalised, without exit routes."""
        return frozenset(_subnets(self.approved))

    @cached_property
    def exit_state(self) -> ExitState:
        """Return whether it is an exit node, or would be one: pending is offered and allowed for no family."""
        approved = sum(route in self.approved for route in EXIT_ROUTES)
        if approved:
            return "approved" if approved == len(EXIT_ROUTES) else "partial"
        return "pending" if self.offers_exit else "no"

    @cached_property
    def offers_exit(self) -> bool:
        """Tell whether it advertises itself as an exit node."""
        return any(route in self.advertised for route in EXIT_ROUTES)

    @cached_property
    def serial_numbers(self) -> tuple[str, ...]:
        """Return its hardware's serial numbers, where the tailnet collects them."""
        return texts_of(mapping_of(self.fields, "postureIdentity"), "serialNumbers")

    def silent_since(self) -> datetime | None:
        """Return since when nothing was heard of it: its last contact, or when it was created; None if connected."""
        return None if self.is_connected else self.last_seen or self.created

    def has_expired(self, now: datetime) -> bool:
        """Tell whether its key has expired."""
        return self.expires is not None and self.expires <= now


def _subnets(routes: Iterable[str]) -> Iterable[Network]:
    for text in routes:
        network = network_of(text)
        if network is not None and network.prefixlen:
            yield network


@frozen
class Fleet:
    """Hold what operations know of a tailnet.

    Attributes:
        devices: in the order of the API.
        snapshot: what it was read from: users, policy, keys, DNS and the rest.
    """

    devices: tuple[Device, ...] = field(repr=lambda devices: f"<{len(devices)}>")
    snapshot: TailnetSnapshot = field(repr=False)

    @cached_property
    def by_id(self) -> Mapping[str, Device]:
        """Return devices by nodeId."""
        return {device.id: device for device in self.devices}

    @property
    def observed_at(self) -> str | None:
        """Return the moment of the oldest part, as it was noted."""
        taken: str | None = self.snapshot.content.get("taken")
        return taken

    @cached_property
    def coverage(self) -> Mapping[str, str]:
        """Return why parts are missing, by name; a part that nobody asked for is not in it."""
        found = mapping_of(self.snapshot.content, "coverage")
        return {name: str(reason) for name, reason in found.items() if reason != "read"}

    @cached_property
    def attributes(self) -> Mapping[str, Mapping[str, Any]]:
        """Return posture attributes by nodeId, of devices whose attributes were read."""
        found = mapping_of(self.snapshot.content, "attributes")
        return {
            node: mapping_of(answer, "attributes")
            for node, answer in found.items()
            if isinstance(answer, Mapping)
        }

    def named(self, text: str) -> tuple[Device, ...]:
        """Return the devices a person may mean by an id, a name or an address.

        Args:
            text: nodeId, older id, name with or without the tailnet's domain, host name, or address.
        """
        if text in self.by_id:
            return (self.by_id[text],)
        wanted = text.strip().rstrip(".").lower()
        exact = [d for d in self.devices if wanted in {d.name.lower(), d.legacy_id} or wanted in d.addresses]
        return tuple(
            exact or (d for d in self.devices if wanted and wanted in {d.label.lower(), d.hostname.lower()})
        )


def read_fleet(snapshot: TailnetSnapshot) -> Fleet:
    """Read the devices of a snapshot; the same value is never an error here, whatever the API sent.

    Args:
        snapshot: devices, and whatever else was read.
    """
    return Fleet(tuple(Device(record) for record in snapshot.devices), snapshot)
