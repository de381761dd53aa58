"""Exports: every format is read by its own parser, and nothing that people wrote leaves its field."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations.reporting import (
    FORMATS,
    ROW_FORMATS,
    ExportOptions,
    Skipped,
    export_devices,
    export_rows,
    in_block,
    read_ndjson,
)
from tailscale_sdk.operations.reporting.ansible import inventory
from tailscale_sdk.operations.reporting.terraform import hcl_string
from tests.operations.fleets import NOW, POLICY, device, fleet_of

NASTY = [
    "plain",
    'quote " and \\ back',
    "line\nbreak\r\n",
    "=cmd()|' /C calc'!A0",
    "+1",
    "@sum",
    "-2",
    "\ttab",
    "${var.x} %{if true}",
    "a|b`c<d>*e*",
    "\x1b[31mred\x1b[0m",
    "\u202eevil\u202c",
    "שלום",
    "nul\x00byte",
    "{{ lookup('pipe','id') }}",
    "EOT\nPOLICY\n",
]
FIELDS = ("id", "name", "hostname", "owner", "tags", "online")


def hostile(texts: list[str]) -> Any:
    records = []
    for number, text in enumerate(texts):
        record = device(f"d{number}", "x", sshEnabled=True, advertised=["10.1.0.0/16"])
        record |= {"name": f"{text}.example.ts.net", "hostname": text, "user": text, "os": "linux"}
        records.append(record)
    return fleet_of(*records, policy=POLICY, dns={"splitDns": {"x.example.com": ["1.1.1.1"]}})


def export(fleet: Any, kind: str, skipped: Skipped | None = None, **options: Any) -> str:
    chosen = ExportOptions(fields=FIELDS, **options)
    return "".join(
        export_devices(fleet, fleet.devices, kind, now=NOW, options=chosen, skipped=skipped or Skipped())
    )


def unguarded(cell: str) -> str:
    return cell[1:] if cell[:2] in {"'=", "'+", "'-", "'@", "'\t", "'\r"} else cell


TEXTS = st.lists(st.text(max_size=30), min_size=1, max_size=6)


def check_json(fleet: Any) -> None:
    rows = json.loads(export(fleet, "json"))
    assert [row["hostname"] for row in rows] == [one.hostname for one in fleet.devices]


def check_ndjson(fleet: Any) -> None:
    text = export(fleet, "ndjson")
    assert [row["hostname"] for row in read_ndjson(text.split("\n"))] == [d.hostname for d in fleet.devices]


def check_csv(fleet: Any) -> None:
    rows = list(csv.reader(io.StringIO(export(fleet, "csv"), newline="")))
    assert rows[0] == list(FIELDS)
    for row, one in zip(rows[1:], fleet.devices, strict=True):
        assert not row[2].startswith(("=", "+", "-", "@", "\t", "\r"))
        assert unguarded(row[2]) == one.hostname.replace("\x00", "")


def check_markdown(fleet: Any) -> None:
    lines = export(fleet, "markdown").splitlines()
    assert len(lines) == 2 + len(fleet.devices)
    for line in lines:
        assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) == len(FIELDS) + 1
        assert not re.search(r"(?<!\\)(?:\\\\)*[`<>]", line)


def check_ansible(fleet: Any) -> None:
    found = yaml.safe_load(export(fleet, "ansible"))
    hosts = found["all"]["hosts"]
    assert len(hosts) == len(fleet.devices)
    assert set(found["all"]["children"]) == {"os_linux", "online"}
    assert not any("{{" in str(value) for host in hosts.values() for value in host.values())


def check_ansible_json(fleet: Any) -> None:
    found = json.loads(export(fleet, "ansible-json"))
    assert set(found["_meta"]["hostvars"]) == set(found["online"]["hosts"])


def check_ssh(fleet: Any) -> None:
    skipped = Skipped()
    for line in export(fleet, "ssh-config", skipped).splitlines():
        assert re.fullmatch(r"Host [A-Za-z0-9.-]+( [A-Za-z0-9.-]+)?|  HostName [A-Za-z0-9.-]+", line), line


def check_hosts(fleet: Any) -> None:
    for line in export(fleet, "hosts").splitlines():
        assert re.fullmatch(r"[0-9a-f.:]+\t[a-z0-9.-]+( [a-z0-9.-]+)?", line), line


def check_dnsmasq(fleet: Any) -> None:
    for line in export(fleet, "dnsmasq").splitlines():
        assert re.fullmatch(r"host-record=[a-z0-9.,:-]+", line), line


def check_file_sd(fleet: Any) -> None:
    groups = json.loads(export(fleet, "file-sd"))
    assert all(isinstance(value, str) for group in groups for value in group["labels"].values())
    assert all(re.fullmatch(r"100\.64\.\d+\.\d+:9100", group["targets"][0]) for group in groups)


HCL = re.compile(r'import \{\n  to = tailscale_\w+\.\w+\n  id = "((?:[^"\\]|\\.)*)"\n\}\n')


def check_terraform(fleet: Any) -> None:
    text = export(fleet, "terraform")
    blocks, _, policy = text.partition('resource "tailscale_acl" "policy" {\n')
    outside = HCL.sub("", blocks)
    assert all(not line or line.startswith("# ") for line in outside.splitlines())
    assert policy.startswith("  acl = <<POLICY\n" + POLICY)
    assert policy.endswith("\nPOLICY\n}\n")


CHECKS = {
    "json": check_json,
    "ndjson": check_ndjson,
    "csv": check_csv,
    "markdown": check_markdown,
    "ansible": check_ansible,
    "ansible-json": check_ansible_json,
    "ssh-config": check_ssh,
    "hosts": check_hosts,
    "dnsmasq": check_dnsmasq,
    "file-sd": check_file_sd,
    "terraform": check_terraform,
}


def test_every_format_has_a_check() -> None:
    assert set(CHECKS) == set(FORMATS)


@pytest.mark.parametrize("kind", FORMATS)
def test_nothing_hostile_leaves_its_field(kind: str) -> None:
    CHECKS[kind](hostile(NASTY))


@pytest.mark.parametrize("kind", FORMATS)
@settings(max_examples=40)
@given(texts=TEXTS)
def test_no_text_at_all_leaves_its_field(kind: str, texts: list[str]) -> None:
    CHECKS[kind](hostile(texts))


def test_what_cannot_be_written_is_said() -> None:
    skipped = Skipped()
    assert "web-1.example.ts.net web-1" in export(fleet_of(device("web-1"), device("a b")), "hosts", skipped)
    assert skipped.sentences == ["a b (nA BCNTRL) is left out: its name is no name of a host"]


def test_a_login_is_chosen_by_tag_and_keys_are_checked_as_always() -> None:
    fleet = fleet_of(device("web-1", "", "tag:web", sshEnabled=True), device("db-1", "", "tag:db"))
    text = export(fleet, "ssh-config", ssh_users={"tag:web": "deploy"})
    assert text == "Host web-1 web-1.example.ts.net\n  HostName web-1.example.ts.net\n  User deploy\n"
    assert "StrictHostKeyChecking" not in text
    assert "User" not in export(fleet, "ssh-config", ssh_users={"tag:web": "x; rm -rf /"})


def test_groups_that_would_become_one_are_refused() -> None:
    fleet = fleet_of(device("a", "", "tag:a-b"), device("b", "", "tag:a_b"))
    with pytest.raises(ConfigurationError, match="would both become the group tag_a_b"):
        inventory(fleet.devices, now=NOW)
    listed = inventory(fleet_of(device("a", "", "tag:web")).devices, now=NOW, strip_tag=True, by_address=True)
    assert listed["web"] == {"hosts": ["a.example.ts.net"]}
    assert listed["_meta"]["hostvars"]["a.example.ts.net"]["ansible_host"].startswith("100.64.")


def test_only_one_family_of_dns_and_only_keys_that_can_be_imported() -> None:
    fleet = fleet_of(
        device("web-1", "", "tag:web", advertised=["10.1.0.0/16"]),
        dns={
            "nameservers": ["1.1.1.1"],
            "preferences": {"magicDNS": True},
            "splitDns": {"x.example.com": []},
        },
        settings={},
        contacts={},
        webhooks=[{"endpointId": "w1"}],
        services=[{"name": "svc:wiki"}],
        keys=[
            {"id": "k1", "keyType": "auth"},
            {"id": "k2", "keyType": "api"},
            {"id": "k3", "keyType": "client"},
            {"id": "k4", "keyType": "auth", "invalid": True},
        ],
    )
    text = export(fleet, "terraform")
    resources = re.findall(r"to = tailscale_(\w+)\.", text)
    assert resources == [
        "device_authorization",
        "device_key",
        "device_tags",
        "device_subnet_routes",
        "contacts",
        "tailnet_settings",
        "dns_preferences",
        "dns_nameservers",
        "dns_split_nameservers",
        "webhook",
        "service",
        "tailnet_key",
        "oauth_client",
    ]
    assert "dns_configuration" not in text
    assert 'id = "svc:wiki"' in text


def test_a_policy_that_is_no_heredoc_is_a_string() -> None:
    text = export(fleet_of(policy='{"a": "${x}"}\r\n'), "terraform")
    assert hcl_string('{"a": "${x}"}\r\n') in text
    assert "$${x}" in text
    woven = export(fleet_of(policy="// POLICY\n{}\n"), "terraform")
    assert "<<POLICY_\n// POLICY\n{}\nPOLICY_\n" in woven


def test_a_block_is_replaced_and_every_other_byte_stays() -> None:
    before = "127.0.0.1\tlocalhost\r\n# mine\n"
    once = in_block(before, ["1.2.3.4 a\n"])
    assert once.startswith(before)
    twice = in_block(f"{once}after\n", ["1.2.3.5 b\n"])
    assert twice == before + "# BEGIN tailscale-sdk\n1.2.3.5 b\n# END tailscale-sdk\nafter\n"
    assert in_block("no newline", []) == "no newline\n# BEGIN tailscale-sdk\n# END tailscale-sdk\n"


def test_rows_of_any_result_are_exported() -> None:
    rows = [{"a": 1, "b": [True, None, {"c": 1}], "left": "out"}]
    assert "".join(export_rows(rows, "csv", ("a", "b"))) == 'a,b\r\n1,"true;;{""c"": 1}"\r\n'
    for kind in ROW_FORMATS:
        assert "left" not in "".join(export_rows(rows, kind, ("a", "b")))
    with pytest.raises(ConfigurationError, match="no format 'xml'"):
        export_rows(rows, "xml", ("a",))
    with pytest.raises(ConfigurationError, match="no format 'xml'"):
        export(fleet_of(), "xml")
    for lines, said in ((["{"], "line 1: is not JSON"), (["{}", "[]"], "line 2: is no object")):
        with pytest.raises(ConfigurationError, match=said):
            list(read_ndjson(lines))


def test_no_key_of_a_machine_is_in_any_format() -> None:
    fleet = fleet_of(device("a", nodeKey="nodekey:secret", machineKey="mkey:secret"), policy=POLICY)
    assert not [kind for kind in FORMATS if "secret" in export(fleet, kind)]
