"""Devices: found, judged and changed."""
