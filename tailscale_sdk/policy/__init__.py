"""Thinking about policies: text and snapshot in, answers out, no I/O."""
