"""``tailscale-sdk devices``: list, search, show, judge and export devices, and change them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from tailscale_sdk.cli.files import write_private
from tailscale_sdk.cli.fleet_inputs import change, look, print_rows, show
from tailscale_sdk.cli.plans import DONE, FAILED, print_json
from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations.devices import (
    actions,
    attributes,
    device_details,
    duplicates,
    fleet_status,
    list_devices,
    search,
    select,
    tagging,
    the_one,
)
from tailscale_sdk.operations.devices.listing import COLUMNS, USUAL
from tailscale_sdk.operations.fleet import Device, Fleet, Proposal, read_fleet
from tailscale_sdk.operations.reporting import BLOCKS, ExportOptions, Skipped, export_devices, in_block
from tailscale_sdk.operations.reporting.rows import cell_text
from tailscale_sdk.operations.tags.inventory import policy_of
from tailscale_sdk.snapshot import TailnetSnapshot
from tailscale_sdk.visible import visible


def _query(options: argparse.Namespace) -> str:
    return " ".join(options.query)


def list_command(options: argparse.Namespace) -> int:
    """List the devices that match."""
    fields = options.fields.split(",") if options.fields else USUAL

    def work(fleet: Fleet, now: datetime) -> int:
        found = list_devices(
            fleet,
            _query(options),
            now=now,
            fields=tuple(COLUMNS) if options.json and not options.fields else fields,
            sort=options.sort.split(","),
            limit=options.limit,
        )

        def text() -> None:
            print_rows(found.rows, fields, "no device matches")
            print(f"{len(found.rows)} of {found.total} devices", file=sys.stderr)

        return show(options, list(found.rows), text)

    return look(options, (), work, query=_query(options))


def search_command(options: argparse.Namespace) -> int:
    """Find devices by whatever is remembered of them; exit 1 where none is found."""

    def work(fleet: Fleet, now: datetime) -> int:
        rows = [hit.to_dict() for hit in search(fleet, options.text)]
        show(options, rows, lambda: print_rows(rows, ("name", "id", "field", "text"), "no device is meant"))
        return DONE if rows else FAILED

    return look(options, (), work)


def show_command(options: argparse.Namespace) -> int:
    """Show everything that is known of one device."""

    def work(fleet: Fleet, now: datetime) -> int:
        found = device_details(the_one(fleet, options.device), now=now)

        def text() -> None:
            rows = [{"fact": name, "value": cell_text(value)} for name, value in found.items()]
            print_rows([row for row in rows if row["value"]], ("fact", "value"), "nothing")

        return show(options, found, text)

    return look(options, (), work)


def status_command(options: argparse.Namespace) -> int:
    """Count what an admin looks for first."""

    def work(fleet: Fleet, now: datetime) -> int:
        found = fleet_status(fleet, now=now)

        def text() -> None:
            counts = [
                {"what": name.replace("_", " "), "devices": count} for name, count in found.counts.items()
            ]
            print(f"{found.total} devices, {found.counts['online']} online")
            print_rows([row for row in counts if row["devices"]], ("what", "devices"), "")
            for group, values in found.groups.items():
                print(f"{group}: " + ", ".join(f"{visible(name)} {count}" for name, count in values.items()))
            for route in found.offline_routes:
                print(f"! no router of {route} is online")

        return show(options, found.to_dict(), text)

    return look(options, (), work)


def duplicates_command(options: argparse.Namespace) -> int:
    """List machines that are there twice, or what changed since a snapshot; exit 1 where something is found."""

    def work(fleet: Fleet, now: datetime) -> int:
        if options.since is not None:
            changes = duplicates.compare_fleets(read_fleet(TailnetSnapshot.load(options.since)), fleet)
            print_json(changes.to_dict())
            return FAILED if any(changes.to_dict().values()) else DONE
        found = duplicates.find_duplicates(fleet)
        rows = [
            {
                "kind": each.kind,
                "confidence": each.confidence,
                "devices": [f"{d.label} ({d.id})" for d in each.devices],
                "evidence": each.evidence,
            }
            for each in found
        ]
        columns = ("confidence", "kind", "devices", "evidence")
        show(options, [each.to_dict() for each in found], lambda: print_rows(rows, columns, "no duplicates"))
        return FAILED if any(each.confidence != "info" for each in found) else DONE

    return look(options, (), work)


def export_command(options: argparse.Namespace) -> int:
    """Write the devices that match in the format of another program."""
    whole = (
        "users",
        "policy",
        "dns",
        "settings",
        "contacts",
        "webhooks",
        "services",
        "keys",
        "posture_integrations",
    )

    def work(fleet: Fleet, now: datetime) -> int:
        found = list_devices(fleet, _query(options), now=now, sort=("name",))
        chosen = ExportOptions(
            fields=options.fields.split(",") if options.fields else USUAL,
            strip_tag=options.strip_tag,
            by_address=options.by_address,
            ssh_users=dict(_pair(each) for each in options.ssh_user),
            port=options.port,
        )
        skipped = Skipped()
        pieces = export_devices(
            fleet, found.devices, options.format, now=now, options=chosen, skipped=skipped
        )
        if options.into is not None:
            _write_block(options, "".join(pieces))
        elif options.out is not None:
            write_private(options.out, "".join(pieces))
        else:
            sys.stdout.writelines(pieces)
        for sentence in skipped.sentences:
            print(f"tailscale-sdk: {sentence}", file=sys.stderr)
        return DONE

    return look(options, whole if options.format == "terraform" else (), work, query=_query(options))


def _write_block(options: argparse.Namespace, text: str) -> None:
    if options.format not in BLOCKS:
        raise ConfigurationError(
            f"--into is for {', '.join(sorted(BLOCKS))}: {options.format} takes a whole file"
        )
    path = Path(options.into)
    try:
        existing = path.read_bytes().decode() if path.exists() else ""
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"{path}: cannot be read as text") from None
    write_private(path, in_block(existing, [text]))


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not value:
        raise ConfigurationError(f"{text!r}: write tag:NAME=USER")
    return (name if name.startswith("tag:") else f"tag:{name}"), value


def _selected(fleet: Fleet, options: argparse.Namespace, now: datetime) -> tuple[Device, ...]:
    return select(fleet, _query(options), now=now, everything=options.everything).devices


def authorize_command(options: argparse.Namespace) -> int:
    """Approve devices."""
    return _act(
        options,
        lambda fleet, chosen, now: actions.set_authorized(chosen, True, population=len(fleet.devices)),
    )


def deauthorize_command(options: argparse.Namespace) -> int:
    """Take the approval of devices back."""
    return _act(
        options,
        lambda fleet, chosen, now: actions.set_authorized(chosen, False, population=len(fleet.devices)),
    )


def expire_command(options: argparse.Namespace) -> int:
    """Expire the keys of devices, so that somebody has to log in on them again."""
    return _act(
        options,
        lambda fleet, chosen, now: actions.expire_keys(chosen, now=now, population=len(fleet.devices)),
    )


def delete_command(options: argparse.Namespace) -> int:
    """Remove devices."""
    return _act(
        options, lambda fleet, chosen, now: actions.delete_devices(chosen, population=len(fleet.devices))
    )


def key_expiry_command(options: argparse.Namespace) -> int:
    """Switch key expiry of devices on or off."""
    return _act(
        options,
        lambda fleet, chosen, now: actions.set_key_expiry(
            chosen,
            options.state == "on",
            now=now,
            allow_expired=options.allow_expired,
            population=len(fleet.devices),
        ),
    )


def tags_command(options: argparse.Namespace) -> int:
    """Add, remove or set the tags of devices."""
    if not (options.add or options.remove or options.exactly):
        raise ConfigurationError("give one of --add, --remove and --exactly")

    def propose(fleet: Fleet, chosen: tuple[Device, ...], now: datetime) -> Proposal:
        policy = policy_of(fleet)
        return tagging.change_tags(
            chosen,
            add=options.add,
            remove=options.remove,
            exactly=options.exactly or None,
            owners=None if isinstance(policy, str) else policy.tag_owners,
            allow_untagged=options.allow_untagged,
            population=len(fleet.devices),
        )

    return _act(options, propose, parts=("policy",))


def attribute_command(options: argparse.Namespace) -> int:
    """Set or remove a custom posture attribute of devices."""

    def propose(fleet: Fleet, chosen: tuple[Device, ...], now: datetime) -> Proposal:
        if options.value is None:
            return attributes.remove_attribute(fleet, chosen, options.key, comment=options.comment)
        return attributes.set_attribute(
            fleet, chosen, options.key, attributes.read_value(options.value), comment=options.comment
        )

    return _act(options, propose)


def rename_command(options: argparse.Namespace) -> int:
    """Give a device another name, or the one its operating system has."""
    return change(
        options,
        (),
        lambda fleet, now: actions.rename(
            the_one(fleet, options.device), options.name, population=len(fleet.devices)
        ),
    )


def address_command(options: argparse.Namespace) -> int:
    """Give a device another IPv4 address."""
    return change(
        options,
        (),
        lambda fleet, now: actions.set_ipv4(
            the_one(fleet, options.device), options.address, population=len(fleet.devices)
        ),
    )


def clean_up_command(options: argparse.Namespace) -> int:
    """Remove what is surely left over of machines that are there twice."""
    return change(options, (), lambda fleet, now: duplicates.clean_up(fleet, confidence=options.confidence))


Judge = Callable[[Fleet, tuple[Device, ...], datetime], Proposal]


def _act(options: argparse.Namespace, propose: Judge, parts: tuple[str, ...] = ()) -> int:
    """Change the devices that a query selects."""
    return change(
        options,
        parts,
        lambda fleet, now: propose(fleet, _selected(fleet, options, now), now),
        query=_query(options),
    )
