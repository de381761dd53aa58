"""Checks by family, each registered as data."""
