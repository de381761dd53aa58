"""Evaluate a policy slowly and plainly, straight from the definition of the language.

The compiler of the product is compared with this one. It takes the policy as parsed JSON and the snapshot as
a plain dictionary, knows nothing of the product's code, and asks every rule about every pair.
A policy is taken as valid: what the service would refuse is not looked for.
"""

from __future__ import annotations

from tests.policy.brute_force.attributes import cap_map
from tests.policy.brute_force.reach import allowed, reach
from tests.policy.brute_force.ssh import ssh
from tests.policy.brute_force.verdicts import run_tests

__all__ = ["allowed", "cap_map", "reach", "run_tests", "ssh"]
