"""``tailscale-sdk network``: DNS, subnet routes, exit nodes and services, shown and changed."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import datetime

from tailscale_sdk.changes import AsyncChanges
from tailscale_sdk.cli.engine import run_with_engine
from tailscale_sdk.cli.fleet_inputs import change, load, look, print_rows, show
from tailscale_sdk.cli.plans import DONE, FAILED, finish, limits_of
from tailscale_sdk.client import AsyncTailscale
from tailscale_sdk.operations import network
from tailscale_sdk.operations.devices import the_one
from tailscale_sdk.operations.fleet import Fleet, Proposal
from tailscale_sdk.operations.fleet_changes import plan_change
from tailscale_sdk.operations.network.services import Hosts
from tailscale_sdk.visible import visible


def dns_command(options: argparse.Namespace) -> int:
    """Show DNS in one picture, and whether its resolvers can be reached; exit 1 where one cannot."""

    def work(fleet: Fleet, now: datetime) -> int:
        view, checks = network.dns_view(fleet), network.check_resolvers(fleet)

        def text() -> None:
            if view.unknown is not None:
                print(f"unknown: {visible(view.unknown, limit=None)}")
                return
            print(f"MagicDNS: {'unknown' if view.magic_dns is None else 'on' if view.magic_dns else 'off'}")
            print(f"search paths: {visible(', '.join(view.search_paths)) or 'none'}")
            rows = [check.to_dict() for check in checks]
            print_rows(rows, ("server", "used_for", "status", "reason"), "no resolvers")

        show(options, {**view.to_dict(), "resolvers": [check.to_dict() for check in checks]}, text)
        return FAILED if any(check.status == "problem" for check in checks) else DONE

    return look(options, ("dns",), work)


def resolve_command(options: argparse.Namespace) -> int:
    """Say who answers for a name; exit 1 where nobody is known to."""

    def work(fleet: Fleet, now: datetime) -> int:
        found = network.resolve(fleet, options.name)
        answers = ", ".join(found.answers) or "-"
        show(
            options,
            found.to_dict(),
            lambda: print(visible(f"{found.kind}: {answers} ({found.reason})", limit=None)),
        )
        return FAILED if found.kind == "unknown" else DONE

    return look(options, ("dns", "services"), work)


def routes_command(options: argparse.Namespace) -> int:
    """List subnet routes with their routers; exit 1 where one is offline or waits."""

    def work(fleet: Fleet, now: datetime) -> int:
        found = network.route_table(fleet)
        rows = [
            {
                "route": str(route.network),
                "status": route.status,
                "routers": [f"{each.device.label} {each.state}" for each in route.routers],
                "overlaps": [f"{how} {other}" for other, how in route.overlaps],
            }
            for route in found
        ]
        columns = ("route", "status", "routers", "overlaps")
        show(
            options,
            [route.to_dict() for route in found],
            lambda: print_rows(rows, columns, "no subnet routes"),
        )
        return FAILED if any(route.status in {"offline", "pending"} for route in found) else DONE

    return look(options, (), work)


def exit_nodes_command(options: argparse.Namespace) -> int:
    """List exit nodes, the best first, and who may use them."""

    def work(fleet: Fleet, now: datetime) -> int:
        found = network.list_exit_nodes(fleet)
        rows = [node.to_dict() for node in found.nodes]

        def text() -> None:
            columns = ("name", "id", "state", "online", "latency_ms", "latency_source")
            print_rows(rows, columns, "no exit nodes")
            users = "unknown" if found.users is None else ", ".join(found.users) or "nobody"
            print(f"may use them: {visible(users, limit=None)}")

        return show(options, found.to_dict(), text)

    return look(options, ("policy",), work)


def services_command(options: argparse.Namespace) -> int:
    """List services with their hosts; exit 1 where one is not served."""

    async def work(client: AsyncTailscale, engine: AsyncChanges) -> int:
        fleet = await load(client, ("services",), needed=("services",))
        found = network.service_statuses(fleet, await network.load_hosts_async(client, fleet))
        rows = [
            {
                "service": each.name,
                "status": each.status,
                "ports": list(each.ports),
                "hosts": [f"{host.name or host.device_id} {host.approval}" for host in each.hosts or ()],
            }
            for each in found
        ]
        columns = ("service", "status", "ports", "hosts")
        show(options, [each.to_dict() for each in found], lambda: print_rows(rows, columns, "no services"))
        return FAILED if any(each.status != "served" for each in found) else DONE

    return run_with_engine(options, work)


def four_via_six_command(options: argparse.Namespace) -> int:
    """Print the IPv6 prefix for an IPv4 subnet of a site, or what such a prefix stands for."""
    if options.subnet is None:
        found = network.from_four_via_six(options.site)
        if found is None:
            return show(options, None, lambda: print("no 4via6 prefix")) or FAILED
        data = {"site": found[0], "subnet": found[1]}
        return show(options, data, lambda: print(f"site {found[0]}, {found[1]}"))
    prefix = network.to_four_via_six(_number(options.site), options.subnet)
    return show(options, {"prefix": prefix}, lambda: print(prefix))


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() else -1


Make = Callable[[Fleet], Proposal]


def _device_change(options: argparse.Namespace, make: Make) -> int:
    return change(options, (), lambda fleet, now: make(fleet))


def approve_routes_command(options: argparse.Namespace) -> int:
    """Approve subnet routes of a device; everything that is approved stays."""
    return _device_change(
        options,
        lambda fleet: network.approve_routes(
            the_one(fleet, options.device), options.prefixes, insist=options.insist
        ),
    )


def revoke_routes_command(options: argparse.Namespace) -> int:
    """Take the approval of subnet routes back."""
    return _device_change(
        options,
        lambda fleet: network.revoke_routes(
            fleet, the_one(fleet, options.device), options.prefixes, insist=options.insist
        ),
    )


def set_routes_command(options: argparse.Namespace) -> int:
    """Set all subnet routes a device may serve; exit routes stay."""
    return _device_change(
        options,
        lambda fleet: network.set_routes(
            fleet, the_one(fleet, options.device), options.prefixes, insist=options.insist
        ),
    )


def approve_pending_command(options: argparse.Namespace) -> int:
    """Approve every offered subnet that lies inside allowed prefixes."""
    return _device_change(options, lambda fleet: network.approve_pending(fleet, options.allow))


def approve_exit_command(options: argparse.Namespace) -> int:
    """Let a device be an exit node; its subnet routes stay."""
    return _device_change(options, lambda fleet: network.approve_exit_node(the_one(fleet, options.device)))


def revoke_exit_command(options: argparse.Namespace) -> int:
    """Let a device be no exit node any more; its subnet routes stay."""
    return _device_change(
        options,
        lambda fleet: network.revoke_exit_node(fleet, the_one(fleet, options.device), insist=options.insist),
    )


def nameservers_command(options: argparse.Namespace) -> int:
    """Add or remove resolvers."""
    return change(
        options,
        ("dns",),
        lambda fleet, now: network.change_nameservers(fleet, add=options.add, remove=options.remove),
    )


def search_paths_command(options: argparse.Namespace) -> int:
    """Add or remove search paths."""
    return change(
        options,
        ("dns",),
        lambda fleet, now: network.change_search_paths(fleet, add=options.add, remove=options.remove),
    )


def split_dns_command(options: argparse.Namespace) -> int:
    """Set the resolvers of one domain; none takes it away."""
    return change(
        options,
        ("dns",),
        lambda fleet, now: network.set_split_dns(fleet, options.domain, options.servers),
    )


def magic_dns_command(options: argparse.Namespace) -> int:
    """Switch MagicDNS on or off."""
    return change(options, ("dns",), lambda fleet, now: network.set_magic_dns(fleet, options.state == "on"))


def define_service_command(options: argparse.Namespace) -> int:
    """Create a service, or change one."""
    return change(
        options,
        ("services",),
        lambda fleet, now: network.define_service(
            fleet, options.service, ports=options.port, tags=options.tag, comment=options.comment
        ),
    )


def delete_service_command(options: argparse.Namespace) -> int:
    """Delete a service."""
    return change(options, ("services",), lambda fleet, now: network.delete_service(fleet, options.service))


def approve_hosts_command(options: argparse.Namespace) -> int:
    """Approve the devices that offer a service, or take their approval back."""

    def make(fleet: Fleet, hosts: Hosts) -> Proposal:
        only = [the_one(fleet, device).id for device in options.device] or None
        return network.approve_hosts(fleet, hosts, options.service, only=only, approved=not options.revoke)

    async def work(client: AsyncTailscale, engine: AsyncChanges) -> int:
        fleet = await load(client, ("services",), needed=("services",))
        proposal = make(fleet, await network.load_hosts_async(client, fleet))
        plan = await plan_change(client, proposal, changes=engine, limits=limits_of(options))
        return await finish(client, engine, plan, options)

    return run_with_engine(options, work)
