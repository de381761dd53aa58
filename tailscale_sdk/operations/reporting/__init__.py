"""Results as text for other programs: rows, inventories, resolvers, targets, import blocks."""

from tailscale_sdk.operations.reporting.exporting import BLOCKS, FORMATS, ExportOptions, export_devices
from tailscale_sdk.operations.reporting.hosts import Skipped, in_block
from tailscale_sdk.operations.reporting.rows import ROW_FORMATS, export_rows, read_ndjson

__all__ = [
    "BLOCKS",
    "FORMATS",
    "ROW_FORMATS",
    "ExportOptions",
    "Skipped",
    "export_devices",
    "export_rows",
    "in_block",
    "read_ndjson",
]
