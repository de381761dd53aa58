"""The cases of the checks of logs, webhooks and DNS."""

from __future__ import annotations

from tests.operations.audit.case import Case, Json
from tests.operations.fleets import ago, device

_GOOD: Json = {"logType": "configuration", "status": {"lastError": "", "lastActivity": ago(hours=1)}}
_WEB = device("web")
_ALL = [
    "nodeNeedsApproval",
    "nodeKeyExpiringInOneDay",
    "policyUpdate",
    "userNeedsApproval",
    "userRoleUpdated",
]


def _streams(**streams: Json) -> Json:
    return {"log_streams": {"configuration": _GOOD, "network": _GOOD, **streams}}


def _delivered(last: str) -> Json:
    return {"status": {"lastError": "", "lastActivity": last, "numEntriesSent": 5}}


def _hook(**fields: object) -> Json:
    return {"webhooks": [{"endpointId": "w1", "created": ago(days=9), "subscriptions": _ALL, **fields}]}


def _dns(*servers: str, magic: bool | None = True) -> Json:
    return {"dns": {"nameservers": [*servers], "preferences": {"magicDNS": magic}}}


def _override(on: bool | None, *servers: str) -> Json:
    preferences = {"magicDNS": True, **({} if on is None else {"overrideLocalDNS": on})}
    return {"dns": {"nameservers": [*servers], "preferences": preferences}}


WATCHING = [
    Case("LOG-01", "fail", {"log_streams": {}}, "network", "the network log goes nowhere"),
    Case(
        "LOG-01", "fail", _streams(network={"status": {"lastError": "refused"}}), "network", "delivery failed"
    ),
    Case("LOG-01", "fail", _streams(network=_delivered(ago(days=8))), "network", "nothing for 8 days"),
    Case("LOG-01", "fail", _streams(configuration=_delivered(ago(days=29))), "configuration", "for 29 days"),
    Case("LOG-01", "pass", _streams(configuration=_delivered(ago(days=20)))),
    Case("LOG-01", "unknown", _streams(network=_delivered("")), "network", "when it delivered last"),
    Case("LOG-01", "pass", _streams(network=_delivered(ago(days=8))), options={"stalled_days": 9}),
    Case("LOG-01", "pass", _streams()),
    Case(
        "LOG-01", "unknown", _streams(network={"url": "https://logs.example.com"}), "network", "was not read"
    ),
    Case(
        "LOG-01",
        "unknown",
        {"log_streams": {}, "coverage": {"log_streams": "scope_denied"}},
        "network",
        "scope_denied",
    ),
    Case("LOG-02", "fail", _hook(subscriptions=_ALL[1:]), "webhooks", "nodeNeedsApproval"),
    Case("LOG-02", "fail", _hook(created=ago(days=400)), "w1", "400 days old"),
    Case("LOG-02", "pass", _hook()),
    Case("LOG-02", "pass", _hook(subscriptions=["categoryTailnetManagement"])),
    Case(
        "LOG-02",
        "fail",
        _hook(subscriptions=["categoryDeviceMisconfigurations"]),
        "webhooks",
        "nodeNeedsApproval",
    ),
    Case("LOG-02", "fail", {"webhooks": []}, "webhooks", "nobody is told of nodeNeedsApproval"),
    Case("LOG-02", "pass", _hook(created=ago(days=400), lastModified=ago(days=2))),
    Case("LOG-02", "unknown", _hook(created=""), "w1", "how old its secret is"),
    Case("DNS-01", "fail", _dns(magic=False), "magicDNS", "not found by name"),
    Case("DNS-01", "fail", _dns("100.64.9.9"), "100.64.9.9"),
    Case("DNS-01", "fail", _override(False, "8.8.8.8"), "overrideLocalDNS", "8.8.8.8"),
    Case("DNS-01", "pass", _override(True, "8.8.8.8")),
    Case("DNS-01", "pass", _override(False)),
    Case("DNS-01", "unknown", _override(None, "8.8.8.8"), "overrideLocalDNS"),
    Case("DNS-01", "pass", {**_dns(_WEB["addresses"][0]), "devices": [_WEB]}),
    Case("DNS-01", "unknown", _dns(magic=None), "magicDNS", "whether MagicDNS is on"),
]
