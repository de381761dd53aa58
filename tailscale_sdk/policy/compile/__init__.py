"""The compiler: a policy and a tailnet in, exact answers about access out."""

from tailscale_sdk.policy.compile.bits import NOTHING, TriState, members, set_of, union
from tailscale_sdk.policy.compile.compiled import (
    DRIVE,
    DRIVE_SHARER,
    App,
    CompiledPolicy,
    FilterEntry,
    PairAccess,
    compile_policy,
    compile_together,
)
from tailscale_sdk.policy.compile.matrix import items_of, reach_rows
from tailscale_sdk.policy.compile.parts import ALLOW_ALL, Part, postures_of, rules_of
from tailscale_sdk.policy.compile.universe import Universe

__all__ = [
    "ALLOW_ALL",
    "DRIVE",
    "DRIVE_SHARER",
    "NOTHING",
    "App",
    "CompiledPolicy",
    "FilterEntry",
    "PairAccess",
    "Part",
    "TriState",
    "Universe",
    "compile_policy",
    "compile_together",
    "items_of",
    "members",
    "postures_of",
    "reach_rows",
    "rules_of",
    "set_of",
    "union",
]
