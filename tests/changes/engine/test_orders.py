"""Tags are a set, whatever order they come in; search domains are tried in theirs."""

from __future__ import annotations

from tests.changes.engine.support import World, other_writer
from tests.changes.engine.test_plans import device, tags_of

DOMAINS = ["a.example.com", "b.example.com"]


def test_a_set_that_comes_in_another_order_has_not_changed(either: World) -> None:
    target = device(either)
    either.call("setDeviceTags", {"device_id": target, "tags": ["tag:prod", "tag:web"]})
    plan = either.plan("setDeviceTags", {"device_id": target, "tags": ["tag:server"]})
    (stored,) = [found for found in either.tailnet.tailnet.devices.values() if found["nodeId"] == target]
    stored["tags"] = list(reversed(stored["tags"]))
    assert either.apply(plan).ok
    assert tags_of(either) == ["tag:server"]


def test_search_domains_that_stayed_in_their_order_are_not_verified(either: World) -> None:
    either.call("setDnsSearchPaths", {"search_paths": DOMAINS})
    plan = either.plan("setDnsSearchPaths", {"search_paths": DOMAINS[::-1]})
    with other_writer(either, "setDnsSearchPaths", {"search_paths": DOMAINS}, moment="after"):
        report = either.apply(plan)
    assert (report.items[0].outcome, report.items[0].verified) == ("unknown", False)


def test_search_domains_that_somebody_reordered_are_not_written_over(either: World) -> None:
    either.call("setDnsSearchPaths", {"search_paths": DOMAINS})
    plan = either.plan("setDnsSearchPaths", {"search_paths": ["c.example.com"]})
    either.call("setDnsSearchPaths", {"search_paths": DOMAINS[::-1]})
    report = either.apply(plan)
    assert report.items[0].outcome == "failed"
    assert "searchPaths changed" in str(report.items[0].reason)
