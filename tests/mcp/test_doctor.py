"""Know yourself: what a credential lacks, what is left out for it, and several tailnets kept apart."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastmcp import Client

from mcp_adapter import cli
from mcp_adapter.catalog import read_catalog
from mcp_adapter.doctor import FINDINGS, HEALTHY, UNREACHABLE, as_text, examine
from mcp_adapter.exposure import EVERY, Exposure, covers, lacking_scopes, served_tools
from mcp_adapter.runtime import Profile, Settings, single
from mcp_adapter.scopes import filter_by_scopes
from mcp_adapter.server import build_server
from tailscale_sdk import AsyncTailscale, OAuthClient
from tailscale_sdk.testing import FakeTailnet
from tests.mcp.conftest import call, sdk_client

CATALOG = read_catalog()


def oauth_settings(tailnet: FakeTailnet, scopes: list[str], exposure: Exposure | None = None) -> Settings:
    identifier, secret = tailnet.add_oauth_client(scopes=scopes)

    def make() -> AsyncTailscale:
        return AsyncTailscale(
            auth=OAuthClient(identifier, secret), base_url=tailnet.base_url, rate_limit=None
        )

    return single(exposure or Exposure(), make)


def test_a_key_with_every_right_is_healthy(tailnet: FakeTailnet) -> None:
    report, code = examine(single(Exposure(), lambda: sdk_client(tailnet)))
    [found] = report["profiles"]
    assert code == HEALTHY
    assert (found["credential"], found["refused"], found["findings"]) == ("api key", {}, [])
    assert found["key_id"] in tailnet.api_key
    assert found["expires"]
    assert report["served"]["tools"] == 14 + len(["access_read", "audit_read", "fleet_read"])
    assert "allowed: read" in as_text(report)
    assert len(tailnet.ledger.entries) == 0


def test_an_oauth_client_is_told_what_it_lacks(tailnet: FakeTailnet) -> None:
    report, code = examine(oauth_settings(tailnet, ["dns", "devices:core:read"], Exposure(write=EVERY)))
    [found] = report["profiles"]
    assert code == FINDINGS
    assert found["scopes"] == ["devices:core:read", "dns"]
    assert "set_name: devices:core" in found["refused"]["devices_write"]
    assert "dns_write" not in found["refused"]
    text = as_text(report)
    assert "will be refused: users_read list: users:read" in text
    assert "belong to the tailnet" in text


def test_a_narrow_key_is_found_out_by_reading(tailnet: FakeTailnet) -> None:
    key = tailnet.add_credential(scopes=["dns:read"])
    settings = single(Exposure(), lambda: AsyncTailscale(api_key=key, base_url=tailnet.base_url))
    report, code = examine(settings)
    assert code == FINDINGS
    assert "list: users:read" in report["profiles"][0]["refused"]["users_read"]
    assert "dns_read" not in report["profiles"][0]["refused"]


def test_a_wrong_credential_and_no_network_are_told_apart(tailnet: FakeTailnet) -> None:
    wrong = single(Exposure(), lambda: AsyncTailscale(api_key="tskey-api-demo-x", base_url=tailnet.base_url))
    report, code = examine(wrong)
    assert code == UNREACHABLE
    assert "401" in report["profiles"][0]["findings"][0]
    unreachable = single(
        Exposure(),
        lambda: AsyncTailscale(api_key="tskey-api-demo", base_url="http://127.0.0.1:9", max_retries=0),
    )
    report, code = examine(unreachable)
    assert code == UNREACHABLE
    assert "not reachable" in report["profiles"][0]["findings"][0]


def test_the_command_prints_both_forms(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "--demo"]) == 0
    assert capsys.readouterr().out.startswith("profile demo: tailnet of the credential, api key k")
    assert cli.main(["doctor", "--demo", "--json", "--allow-delete=keys"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["allowed"][0]["delete"] == ["keys"]
    assert cli.main(["--demo", "--json"]) == 2


@pytest.mark.parametrize(
    "granted, scope, covered",
    [
        ({"dns"}, "dns:read", True),
        ({"dns:read"}, "dns", False),
        ({"all"}, "users", True),
        ({"all:read"}, "users:read", True),
        ({"all:read"}, "users", False),
        ({"devices:core"}, "devices:core:read", True),
        (set(), "dns:read", False),
    ],
)
def test_what_a_scope_covers(granted: set[str], scope: str, covered: bool) -> None:
    assert covers(frozenset(granted), scope) is covered


def test_modes_of_scopes() -> None:
    def lacking(operation: str, *granted: str) -> str | None:
        return lacking_scopes(CATALOG.entries[operation], frozenset(granted))

    assert lacking("listServiceHosts", "services") == "devices:core"
    assert lacking("listServiceHosts", "services", "devices:core") is None
    assert lacking("listTailnetKeys", "auth_keys:read") is None
    assert lacking("createKey", "oauth_keys") is None
    assert "auth_keys" in str(lacking("createKey", "dns"))
    assert lacking("updateTailnetSettings", "policy_file") is None
    assert lacking("listUserInvites") is None


def test_filtering_leaves_out_what_cannot_be_done(tailnet: FakeTailnet) -> None:
    settings = oauth_settings(tailnet, ["dns:read", "policy_file:read"], Exposure(write=EVERY, delete=EVERY))
    profiles, [line] = filter_by_scopes(settings.profiles, CATALOG)
    names = {spec.name for spec in served_tools(CATALOG, [p.exposure for p in profiles])}
    assert {"dns_read", "policy_read"} <= names
    assert not {"dns_write", "users_read", "devices_read", "policy_delete"} & names
    assert "are left out for lack of scopes" in line


def test_nothing_is_left_out_where_rights_are_unknown(tailnet: FakeTailnet) -> None:
    settings = single(Exposure(), lambda: sdk_client(tailnet))
    profiles, [line] = filter_by_scopes(settings.profiles, CATALOG)
    assert profiles == settings.profiles
    assert "rights of its user" in line
    broken = single(
        Exposure(),
        lambda: AsyncTailscale(auth=OAuthClient("id", "tskey-client-demo"), base_url=tailnet.base_url),
    )
    profiles, [line] = filter_by_scopes(broken.profiles, CATALOG)
    assert profiles == broken.profiles
    assert "scopes are unknown" in line


@pytest.fixture
def lab() -> Iterator[FakeTailnet]:
    with FakeTailnet(devices=5, seed=99) as running:
        yield running


def two_profiles(prod: FakeTailnet, lab: FakeTailnet) -> Settings:
    """Return prod, read only, beside a lab in which everything is allowed but one protected tag."""
    return Settings(
        profiles=(
            Profile("prod", lambda: sdk_client(prod), Exposure(read_only=True)),
            Profile(
                "lab", lambda: sdk_client(lab), Exposure(write=EVERY, delete=EVERY), frozenset({"tag:keep"})
            ),
        )
    )


def own(tailnet: FakeTailnet) -> dict[str, Any]:
    return next(d for d in tailnet.tailnet.devices.values() if not d.get("isExternal"))


async def test_two_tailnets_never_mix(tailnet: FakeTailnet, lab: FakeTailnet, era: str) -> None:
    expected = {"prod": len(tailnet.tailnet.devices), "lab": len(lab.tailnet.devices)}
    async with Client(build_server(two_profiles(tailnet, lab)), mode=era) as client:  # type: ignore[arg-type]
        tools = {tool.name: tool for tool in await client.list_tools()}
        assert tools["devices_read"].input_schema["properties"]["tailnet"] == {"enum": ["prod", "lab"]}

        async def count(name: str) -> None:
            found, _, _ = await call(client, "devices_read", action="list", tailnet=name, limit=1)
            assert (found["tailnet"], found["total"]) == (name, expected[name])

        await asyncio.gather(*(count(name) for name in ["prod", "lab"] * 60))
        default, text, _ = await call(client, "devices_read", action="list", limit=1)
    assert default["tailnet"] == "prod"
    assert json.loads(text.splitlines()[-1])["tailnet"] == "prod"


async def test_a_profile_keeps_its_tier_and_its_plans(
    tailnet: FakeTailnet, lab: FakeTailnet, era: str
) -> None:
    async with Client(build_server(two_profiles(tailnet, lab)), mode=era) as client:  # type: ignore[arg-type]
        sent = {"action": "set_name", "device_id": own(tailnet)["nodeId"], "name": "x"}
        refused, _, _ = await call(client, "devices_write", **sent, tailnet="prod")
        assert refused["error"]["code"] == "not_allowed"
        assert "prod" in refused["error"]["message"]
        deletion = {"action": "delete", "device_id": own(lab)["nodeId"]}
        shown, _, _ = await call(client, "devices_delete", **deletion, tailnet="lab")
        elsewhere, _, _ = await call(
            client, "devices_delete", **deletion, tailnet="prod", confirm=shown["confirm"]
        )
        assert elsewhere["error"]["code"] == "not_allowed"
        unknown, _, _ = await call(client, "devices_read", action="list", tailnet="example.com")
        assert unknown["error"]["code"] == "invalid_arguments"
    assert len(tailnet.ledger.entries) == len(lab.ledger.entries) == 0


async def test_protected_things_stay(tailnet: FakeTailnet, lab: FakeTailnet, era: str) -> None:
    device = own(lab)
    device["tags"] = ["tag:keep"]
    async with Client(build_server(two_profiles(tailnet, lab)), mode=era) as client:  # type: ignore[arg-type]
        refused, _, _ = await call(
            client, "devices_delete", action="delete", device_id=device["nodeId"], tailnet="lab"
        )
    assert refused["error"]["code"] == "refused"
    assert "protects" in refused["error"]["message"]
    assert len(lab.ledger.entries) == 0
