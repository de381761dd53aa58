"""The cases of what people vouch for, and of what the service warns of."""

from __future__ import annotations

from tests.operations.audit.case import Case, Json
from tests.operations.fleets import NOW

_TODAY = NOW.date().isoformat()
_MFA: Json = {
    "subject": "mfa",
    "owner": "alice@example.com",
    "created": "2026-03-01",
    "expires": "2026-12-31",
    "evidence": ["https://wiki.example.com/mfa"],
}
_ALL = [{**_MFA, "subject": name} for name in ("mfa", "passkey-backup", "scim-key-age", "host-header")]


def _said(message: str = "", *entries: Json) -> Json:
    return {"policy_validation": {"ok": not message, "message": message, "data": [*entries]}}


VOUCHING = [
    Case("MAN-01", "manual", {}, "mfa", "nobody vouched for it"),
    Case(
        "MAN-01",
        "manual",
        {},
        "mfa",
        "until a day that has passed",
        attestations=[{**_MFA, "expires": "2026-06-29"}],
    ),
    Case(
        "MAN-01", "manual", {}, "mfa", "from a later day on", attestations=[{**_MFA, "created": "2026-07-01"}]
    ),
    Case("MAN-01", "manual", {}, "mfa", "longer than 365", attestations=[{**_MFA, "expires": "2027-03-02"}]),
    Case("MAN-01", "pass", {}, attestations=[{**each, "expires": _TODAY} for each in _ALL]),
    Case(
        "ACC-12",
        "fail",
        _said("warning(s) found", {"user": "group:ops", "warnings": ["group is not synchronised"]}),
        "group:ops",
        "not synchronised",
    ),
    Case("ACC-12", "fail", _said("warning(s) found"), "policy", "warning(s) found"),
    Case("ACC-12", "pass", _said()),
    Case("ACC-12", "unknown", {"coverage": {"policy_validation": "scope_denied"}}, "tailnet", "scope_denied"),
]
