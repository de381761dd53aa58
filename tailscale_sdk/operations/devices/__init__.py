"""Devices: found, judged and changed."""

from tailscale_sdk.operations.devices.language import Node, filters, read_query
from tailscale_sdk.operations.devices.listing import COLUMNS, DeviceList, list_devices
from tailscale_sdk.operations.devices.loading import load_fleet, load_fleet_async, pushable
from tailscale_sdk.operations.devices.predicates import FIELDS, Surroundings, compile_query
from tailscale_sdk.operations.devices.searching import Hit, search, the_one
from tailscale_sdk.operations.devices.selecting import Selection, select
from tailscale_sdk.operations.devices.status import FleetStatus, device_details, fleet_status

__all__ = [
    "COLUMNS",
    "FIELDS",
    "DeviceList",
    "FleetStatus",
    "Hit",
    "Node",
    "Selection",
    "Surroundings",
    "compile_query",
    "device_details",
    "filters",
    "fleet_status",
    "list_devices",
    "load_fleet",
    "load_fleet_async",
    "pushable",
    "read_query",
    "search",
    "select",
    "the_one",
]
