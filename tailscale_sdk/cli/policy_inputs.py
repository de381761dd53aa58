"""What policy commands read: a policy file, a snapshot, or the tailnet itself."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.policy.compile import CompiledPolicy, compile_policy
from tailscale_sdk.policy.language import Policy, read_policy
from tailscale_sdk.policy.tailnet import Tailnet, read_tailnet
from tailscale_sdk.snapshot import TailnetSnapshot


def read_text(path: str) -> bytes:
    """Read a policy file, byte for byte; ``-`` is standard input.

    Raises:
        ConfigurationError: it cannot be read.
    """
    try:
        return sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as problem:
        raise ConfigurationError(f"{path}: cannot be read ({problem.strerror})") from None


def read_policy_text(path: str) -> str:
    """Read a policy file as text; what is no UTF-8 would not be what is stored.

    Raises:
        ConfigurationError: it cannot be read, or is no UTF-8.
    """
    try:
        return read_text(path).decode()
    except UnicodeDecodeError as problem:
        raise ConfigurationError(f"{path}: is not UTF-8 (byte {problem.start})") from None


def read_snapshot(options: argparse.Namespace) -> TailnetSnapshot:
    """Read the snapshot that was named, or the tailnet itself where none was."""
    if options.tailnet is not None:
        return TailnetSnapshot.load(options.tailnet)
    from tailscale_sdk.client import Tailscale
    from tailscale_sdk.operations.reading import take_snapshot

    with Tailscale.from_env(options.profile) as client:
        return take_snapshot(client)


def read_both(options: argparse.Namespace) -> tuple[Policy, Tailnet]:
    """Read the policy and the tailnet of a command; without ``--policy`` the tailnet's own is meant.

    Raises:
        ConfigurationError: a file cannot be read.
        HuJSONError, PolicyError: the control plane would refuse the policy.
    """
    given = None if options.policy is None else read_policy(read_text(options.policy))
    snapshot = read_snapshot(options)
    return given or read_policy(stored_policy(snapshot)), read_tailnet(snapshot)


def stored_policy(snapshot: TailnetSnapshot) -> str:
    """Return the policy in a snapshot.

    Raises:
        ConfigurationError: it was not read.
    """
    if snapshot.policy is None:
        raise ConfigurationError("the snapshot has no policy: give one with --policy FILE")
    return snapshot.policy


def read_compiled(options: argparse.Namespace) -> CompiledPolicy:
    """Read and compile the policy of a command in its tailnet."""
    policy, tailnet = read_both(options)
    return compile_policy(policy, tailnet)
