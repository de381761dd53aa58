"""What the SSH rules of a policy say of a pair; they stand beside the rules for port 22."""

from __future__ import annotations

from collections.abc import Iterator

from tailscale_sdk.policy.access.facts import Fact, cite
from tailscale_sdk.policy.compile import CompiledPolicy
from tailscale_sdk.policy.compile.ssh import ssh_entries
from tailscale_sdk.policy.tailnet import Device


def ssh_facts(compiled: CompiledPolicy, source: Device | None, destination: Device | None) -> Iterator[Fact]:
    """Yield the SSH rules that land on a destination for a source."""
    if source is None or destination is None:
        return
    bit = compiled.number(source)
    found = [entry for entry in ssh_entries(compiled, destination) if entry.sources.possible >> bit & 1]
    for entry in found:
        sure = entry.sources.yes >> bit & 1
        logins = ", ".join(entry.rule.users) or "nobody"
        yield Fact(
            "ssh-rule",
            f"{cite(entry.rule)}: Tailscale SSH {'' if sure else 'may '}{entry.rule.action} as {logins}",
            "policy",
            place=entry.rule.place,
        )
    if not found:
        yield Fact(
            "no-ssh-rule",
            f"no ssh rule lets {source.label} log in on {destination.label} by Tailscale SSH; "
            "an SSH server of its own is not concerned",
            "policy",
        )
