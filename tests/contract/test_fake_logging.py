"""Logs of the embedded tailnet: windows, filters, streams with counters that move, external ids."""

from __future__ import annotations

from typing import Any

import pytest

from tailscale_sdk.testing import FakeTailnet
from tests.contract.asking import Ask
from tests.contract.conftest import AskAs

AUDIT = "/tailnet/-/logging/configuration"
FLOWS = "/tailnet/-/logging/network"
MONTH = {"start": "2026-06-01T00:00:00Z", "end": "2026-07-01T00:00:00Z"}
NO_PERMISSION = (403, "calling actor does not have enough permissions to perform this function")


def test_own_writes_are_in_the_audit_log(ask: Ask, fake: FakeTailnet) -> None:
    ask.ok("POST", "/tailnet/-/dns/searchpaths", json={"searchPaths": ["new.example.com"]})
    answer = ask.ok("GET", AUDIT, params=MONTH)
    assert (answer["version"], answer["tailnetId"]) == ("1.1", fake.tailnet.id)
    assert "tailnet" not in answer
    event = answer["logs"][-1]
    assert (event["type"], event["origin"], event["actor"]["loginName"]) == (
        "CONFIG",
        "CONFIG_API",
        "alice@example.com",
    )
    assert "logged" not in event
    assert event["new"]["searchPaths"] == ["new.example.com"]


def test_a_quiet_window_is_null(ask: Ask) -> None:
    quiet = {"start": "2026-06-18T12:00:00Z", "end": "2026-06-21T12:00:00Z"}
    assert ask.ok("GET", AUDIT, params=quiet)["logs"] is None
    assert ask.ok("GET", FLOWS, params=quiet) == {"logs": None}


def test_the_edges_of_a_window_are_inside(ask: Ask) -> None:
    first = ask.ok("GET", AUDIT, params=MONTH)["logs"][0]
    edge = {"start": first["eventTime"], "end": first["eventTime"]}
    assert first in ask.ok("GET", AUDIT, params=edge)["logs"]
    record = ask.ok("GET", FLOWS, params=MONTH)["logs"][0]
    edge = {"start": record["logged"], "end": record["logged"]}
    assert record in ask.ok("GET", FLOWS, params=edge)["logs"]


def test_old_and_new_come_in_every_form(ask: Ask) -> None:
    events = ask.ok("GET", AUDIT, params=MONTH)["logs"]
    kinds = {type(event[name]) for event in events for name in ("old", "new") if name in event}
    assert kinds >= {str, dict, list, int, type(None)}
    assert any("old" not in event and "new" not in event for event in events)
    assert any(str(event.get("old")).endswith("+0000 UTC") for event in events)


@pytest.mark.parametrize(
    "filters, wanted",
    [
        ({"event": "TAILNET.UPDATE.ACL"}, lambda e: e["target"].get("property") == "ACL"),
        (
            {"event": ["TAILNET.UPDATE.ACL", "ADMIN_CONSOLE.LOGIN"]},
            lambda e: e["action"] in {"UPDATE", "LOGIN"},
        ),
        ({"actor": "~ALICE"}, lambda e: e["actor"]["loginName"] == "alice@example.com"),
        ({"actor": "~oauth cli"}, lambda e: e["actor"]["type"] == "OAUTH_CLIENT"),
        ({"target": "node"}, lambda e: e["target"]["type"] == "NODE"),
        ({"target": "node", "actor": "~alice"}, lambda e: e["target"]["type"] == "NODE"),
    ],
)
def test_filters(ask: Ask, filters: dict[str, Any], wanted: Any) -> None:
    everything = ask.ok("GET", AUDIT, params=MONTH)["logs"]
    found = ask.ok("GET", AUDIT, params={**MONTH, **filters})["logs"]
    assert 0 < len(found) < len(everything)
    assert all(wanted(event) for event in found)


def test_a_filter_by_the_id_of_an_actor(ask: Ask) -> None:
    everything = ask.ok("GET", AUDIT, params=MONTH)["logs"]
    actor = everything[0]["actor"]["id"]
    found = ask.ok("GET", AUDIT, params={**MONTH, "actor": actor})["logs"]
    assert found == [event for event in everything if event["actor"]["id"] == actor]
    assert ask.ok("GET", AUDIT, params={**MONTH, "actor": "uNobodyCNTRL"})["logs"] is None


@pytest.mark.parametrize("path", [AUDIT, FLOWS])
@pytest.mark.parametrize(
    "window, message",
    [
        ({}, "start is missing"),
        ({"start": MONTH["start"]}, "end is missing"),
        ({"start": "", "end": MONTH["end"]}, "start is missing"),
        ({"start": "yesterday", "end": MONTH["end"]}, "start must be an RFC 3339 time"),
        ({"start": "2026-06-01T00:00:00", "end": MONTH["end"]}, "start must be an RFC 3339 time"),
        ({"start": "0001-01-01T00:00:00+23:59", "end": MONTH["end"]}, "start must be an RFC 3339 time"),
        ({"start": MONTH["end"], "end": MONTH["start"]}, "end must not be before start"),
    ],
)
def test_a_window_needs_both_ends(ask: Ask, path: str, window: dict[str, str], message: str) -> None:
    status, text = ask.refused("GET", path, params=window)
    assert (status, text[: len(message)]) == (400, message)


def test_flow_records_are_as_the_service_writes_them(ask: Ask) -> None:
    records = ask.ok("GET", FLOWS, params=MONTH)["logs"]
    virtual = [flow for record in records for flow in record.get("virtualTraffic", ())]
    assert all(type(flow["proto"]) is int for flow in virtual)
    assert {6, 17, 99} <= {flow["proto"] for flow in virtual}
    assert all("proto" not in flow for record in records for flow in record.get("physicalTraffic", ()))
    assert any(flow["src"].startswith("[fd7a:") for flow in virtual)
    assert all("os" not in record["srcNode"] for record in records)
    assert all(("tags" in record["srcNode"]) != ("user" in record["srcNode"]) for record in records)
    assert any("dstNodes" not in record for record in records)
    assert {"exitTraffic", "subnetTraffic"} <= {name for record in records for name in record}


def test_both_ends_tell_of_a_connection(ask: Ask) -> None:
    records = ask.ok("GET", FLOWS, params=MONTH)["logs"]
    flow = next(r["virtualTraffic"][0] for r in records if r.get("virtualTraffic", [{}])[0].get("proto") == 6)
    turned = (flow["dst"], flow["src"], flow["txPkts"], flow["rxPkts"])
    seen = [f for r in records for f in r.get("virtualTraffic", ())]
    assert turned in {(f["src"], f["dst"], f.get("rxPkts"), f.get("txPkts")) for f in seen}


def test_flows_are_refused_while_the_feature_is_off(ask: Ask) -> None:
    ask.ok("PATCH", "/tailnet/-/settings", json={"networkFlowLoggingOn": False})
    status, text = ask.refused("GET", FLOWS, params=MONTH)
    assert (status, text.startswith("network flow logs are off")) == (403, True)
    ask.ok("PATCH", "/tailnet/-/settings", json={"networkFlowLoggingOn": True})
    assert ask.ok("GET", FLOWS, params=MONTH)["logs"]


def test_a_snapshot_with_devices_only_has_no_logs() -> None:
    with FakeTailnet(snapshot={"devices": []}) as fake, Ask(fake) as ask:
        assert ask.ok("GET", AUDIT, params=MONTH)["logs"] is None
        assert ask.refused("GET", FLOWS, params=MONTH)[0] == 403


SPLUNK = {
    "destinationType": "splunk",
    "url": "https://logs.example.com",
    "user": "tailnet",
    "token": "demo-token",
}


def test_a_stream_is_read_back_without_its_credentials(ask: Ask) -> None:
    path = f"{FLOWS}/stream"
    assert ask.refused("GET", path) == (404, "log streaming is not configured for this type of log")
    assert ask.refused("DELETE", path)[0] == ask.refused("GET", f"{path}/status")[0] == 404
    assert ask.ok("PUT", path, json={**SPLUNK, "uploadPeriodMinutes": 5, "compressionFormat": "zstd"}) is None
    assert ask.ok("GET", path) == {
        "logType": "network",
        "destinationType": "splunk",
        "url": "https://logs.example.com",
        "user": "tailnet",
        "uploadPeriodMinutes": 5,
        "compressionFormat": "zstd",
    }
    assert "demo-token" not in f"{ask.events()}{ask.fake.ledger.entries}{ask.fake.snapshot()}"
    assert ask.ok("PUT", path, json={"destinationType": "axiom", "url": "https://axiom.example.com"}) is None
    assert ask.ok("GET", path)["destinationType"] == "axiom"
    assert ask.ok("DELETE", path) is None
    assert ask.refused("GET", path)[0] == 404
    actions = [e["action"] for e in ask.events() if e["target"].get("property") == "LOGSTREAM_ENDPOINT"]
    assert actions == ["CREATE", "UPDATE", "DELETE"]


def test_the_counters_move(ask: Ask, fake: FakeTailnet) -> None:
    ask.ok("PUT", f"{FLOWS}/stream", json=SPLUNK)
    path = f"{FLOWS}/stream/status"
    first = ask.ok("GET", path)
    assert "rateBytesSent" not in first  # the service leaves the rates out at times
    assert ask.ok("GET", path)["numEntriesSent"] > first["numEntriesSent"]
    fake.advance(3600)
    later = ask.ok("GET", path)
    assert later["numBytesSent"] > first["numBytesSent"]
    assert later["rateBytesSent"] > 0
    assert later["lastActivity"] == fake.clock.text()
    assert "maxNumEntries" in later


def test_a_plain_tailnet_has_every_documented_counter() -> None:
    with FakeTailnet(plain=True) as fake, Ask(fake) as ask:
        ask.ok("PUT", f"{FLOWS}/stream", json=SPLUNK)
        assert "rateFailedRequests" in ask.ok("GET", f"{FLOWS}/stream/status")


def test_the_seeded_stream_has_a_status(ask: Ask) -> None:
    assert ask.ok("GET", f"{AUDIT}/stream")["destinationType"] == "elastic"
    assert ask.ok("GET", f"{AUDIT}/stream/status")["rateEntriesSent"] > 0


def test_other_logs_do_not_exist(ask: Ask) -> None:
    for method, suffix in (("GET", ""), ("DELETE", ""), ("PUT", ""), ("GET", "/status")):
        options = {"json": SPLUNK} if method == "PUT" else {}
        status, _ = ask.refused(method, f"/tailnet/-/logging/dns/stream{suffix}", **options)
        assert status == 404


S3 = {"destinationType": "s3", "s3Bucket": "demo-logs", "s3Region": "eu-central-1"}
ROLE = "arn:aws:iam::123456789012:role/tailnet-logs"


def test_s3_with_a_role_is_told_its_external_id(ask: Ask) -> None:
    made = ask.ok("POST", "/tailnet/-/aws-external-id", json={"reusable": True})
    wanted = {**S3, "s3AuthenticationType": "rolearn", "s3RoleArn": ROLE}
    ask.ok("PUT", f"{FLOWS}/stream", json=wanted)
    assert ask.ok("GET", f"{FLOWS}/stream")["s3ExternalId"] == made["externalId"]


def test_s3_with_a_key_keeps_the_secret_to_itself(ask: Ask) -> None:
    wanted = {
        **S3,
        "s3AuthenticationType": "accesskey",
        "s3AccessKeyId": "demo",
        "s3SecretAccessKey": "demo-secret",
    }
    ask.ok("PUT", f"{FLOWS}/stream", json=wanted)
    stream = ask.ok("GET", f"{FLOWS}/stream")
    assert stream["s3AccessKeyId"] == "demo"
    assert "s3SecretAccessKey" not in stream
    assert "s3ExternalId" not in stream


def test_a_kind_of_destination_that_is_not_described_is_taken(ask: Ask) -> None:
    wanted = {
        "destinationType": "gcs",
        "gcsBucket": "demo-logs",
        "gcsScopes": ["write"],
        "gcsCredentials": "{}",
    }
    ask.ok("PUT", f"{FLOWS}/stream", json=wanted)
    assert ask.ok("GET", f"{FLOWS}/stream") == {
        "logType": "network",
        "destinationType": "gcs",
        "gcsBucket": "demo-logs",
        "gcsScopes": ["write"],
    }


@pytest.mark.parametrize(
    "body, message",
    [
        ({}, "destinationType is missing"),
        ({"destinationType": ""}, "destinationType must name a kind of destination"),
        ({"destinationType": "splunk"}, "url is missing: the destination splunk needs it"),
        ({"destinationType": "splunk", "url": "logs"}, "url must be a URL with a host"),
        ({"destinationType": "s3"}, "s3Bucket is missing"),
        (S3, "s3AuthenticationType is missing"),
        ({**S3, "s3AuthenticationType": "magic"}, "s3AuthenticationType must be one of accesskey, rolearn"),
        ({**S3, "s3AuthenticationType": "rolearn"}, "s3RoleArn is missing"),
        ({**S3, "s3AuthenticationType": "accesskey"}, "s3AccessKeyId is missing"),
        ({"destinationType": "gcs", "gcsBucket": "a"}, "gcsCredentials is missing"),
        ({**SPLUNK, "uploadPeriodMinutes": 1441}, "uploadPeriodMinutes must be between 0 and 1440"),
        ({**SPLUNK, "compressionFormat": "rar"}, "compressionFormat must be one of gzip, none, zstd"),
        ({**SPLUNK, "token": 7}, "token must be a string"),
    ],
)
def test_a_bad_stream_says_what_would_be_accepted(ask: Ask, body: Any, message: str) -> None:
    status, text = ask.refused("PUT", f"{FLOWS}/stream", json=body)
    assert (status, text[: len(message)]) == (400, message)
    assert ask.refused("GET", f"{FLOWS}/stream")[0] == 404


@pytest.mark.parametrize("host", ["100.71.1.2:8080", "[fd7a:115c:a1e0::7]", "siem.tail1a2b3.ts.net"])
def test_a_stream_into_the_tailnet_needs_more_scopes(ask_as: AskAs, host: str) -> None:
    wanted = {"destinationType": "elastic", "url": f"http://{host}/logs"}
    few = ask_as(kind="tailnet", scopes=["log_streaming"])
    assert few.refused("PUT", f"{FLOWS}/stream", json=wanted) == NO_PERMISSION
    assert few.ok("PUT", f"{FLOWS}/stream", json=SPLUNK) is None
    many = ask_as(kind="tailnet", scopes=["log_streaming", "device_invites", "policy_file"])
    assert many.ok("PUT", f"{FLOWS}/stream", json=wanted) is None


def test_a_reusable_external_id_is_given_again_until_it_is_linked(ask: Ask) -> None:
    path = "/tailnet/-/aws-external-id"
    first = ask.ok("POST", path, json={"reusable": True})
    assert ask.ok("POST", path, json={"reusable": True}) == first
    assert ask.ok("POST", path, json={})["externalId"] != first["externalId"]
    assert ask.ok("POST", path)["externalId"] != first["externalId"]
    check = f"{path}/{first['externalId']}/validate-aws-trust-policy"
    assert ask.ok("POST", check, json={"roleArn": ROLE}) is None
    assert ask.ok("POST", check, json={"roleArn": ROLE}) is None
    assert ask.refused("POST", check, json={"roleArn": f"{ROLE}-2"})[0] == 422
    assert ask.ok("POST", path, json={"reusable": True})["externalId"] != first["externalId"]


def test_a_trust_policy_that_does_not_fit(ask: Ask) -> None:
    path = "/tailnet/-/aws-external-id"
    made = ask.ok("POST", path, json={})
    check = f"{path}/{made['externalId']}/validate-aws-trust-policy"
    assert ask.refused("POST", check, json={"roleArn": "arn:aws:s3:::demo-logs"})[0] == 422
    assert ask.refused("POST", check, json={})[0] == 400
    assert ask.refused("POST", f"{path}/nowhere/validate-aws-trust-policy", json={"roleArn": ROLE})[0] == 404
    assert ask.refused("POST", path, json={"reusable": "yes"})[0] == 400
