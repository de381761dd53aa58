"""What a change of a policy or a tailnet does to everybody's access."""

from tailscale_sdk.policy.diff.report import AccessDiff, Row, diff_access, diff_policies
from tailscale_sdk.policy.diff.risks import Risk, risks_of
from tailscale_sdk.policy.diff.settings import RightChange

__all__ = ["AccessDiff", "RightChange", "Risk", "Row", "diff_access", "diff_policies", "risks_of"]
