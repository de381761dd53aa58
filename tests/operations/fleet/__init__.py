"""Lifecycle, tags, people, credentials and exports of a fleet."""
