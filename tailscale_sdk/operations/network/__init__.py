"""The network of a tailnet: DNS, subnet routes, exit nodes, services."""

from tailscale_sdk.operations.network.approvals import (
    approve_pending,
    approve_routes,
    change_routes,
    pending,
    revoke_routes,
    set_routes,
)
from tailscale_sdk.operations.network.dns import (
    DNSView,
    change_nameservers,
    change_search_paths,
    dns_view,
    set_magic_dns,
    set_nameservers,
    set_split_dns,
)
from tailscale_sdk.operations.network.exit_nodes import (
    ExitNode,
    ExitNodes,
    approve_exit_node,
    list_exit_nodes,
    revoke_exit_node,
)
from tailscale_sdk.operations.network.four_via_six import from_four_via_six, to_four_via_six
from tailscale_sdk.operations.network.local_node import Latency, LocalNode, Pong, measure
from tailscale_sdk.operations.network.resolving import Resolution, ResolverCheck, check_resolvers, resolve
from tailscale_sdk.operations.network.routes import Route, route_table
from tailscale_sdk.operations.network.services import (
    Host,
    ServiceStatus,
    approve_hosts,
    define_service,
    delete_service,
    hosting,
    load_hosts,
    load_hosts_async,
    service_statuses,
)

__all__ = [
    "DNSView",
    "ExitNode",
    "ExitNodes",
    "Host",
    "Latency",
    "LocalNode",
    "Pong",
    "Resolution",
    "ResolverCheck",
    "Route",
    "ServiceStatus",
    "approve_exit_node",
    "approve_hosts",
    "approve_pending",
    "approve_routes",
    "change_nameservers",
    "change_routes",
    "change_search_paths",
    "check_resolvers",
    "define_service",
    "delete_service",
    "dns_view",
    "from_four_via_six",
    "hosting",
    "list_exit_nodes",
    "load_hosts",
    "load_hosts_async",
    "measure",
    "pending",
    "resolve",
    "revoke_exit_node",
    "revoke_routes",
    "route_table",
    "service_statuses",
    "set_magic_dns",
    "set_nameservers",
    "set_routes",
    "set_split_dns",
    "to_four_via_six",
]
