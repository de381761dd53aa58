"""Settings, contacts and posture integrations of the embedded tailnet."""

from __future__ import annotations

from typing import Any

import pytest

from tailscale_sdk.testing import FakeTailnet
from tailscale_sdk.testing.handlers.contacts import verify_contact
from tests.contract.asking import Ask
from tests.contract.conftest import AskAs

SETTINGS = "/tailnet/-/settings"
CONTACTS = "/tailnet/-/contacts"
INTEGRATIONS = "/tailnet/-/posture/integrations"
NO_PERMISSION = (403, "calling actor does not have enough permissions to perform this function")


def test_settings_are_changed_one_by_one(ask: Ask) -> None:
    before = ask.ok("GET", SETTINGS)
    changes = {
        "devicesKeyDurationDays": 30,
        "aclsExternalLink": "https://git.example.com/policy",
        "httpsEnabled": False,
    }
    after = ask.ok("PATCH", SETTINGS, json={**changes, "usersApprovalOn": None})
    assert after == {**before, **changes}
    assert ask.ok("GET", SETTINGS) == after
    events = ask.events()
    assert {(e["action"], e["target"]["property"]) for e in events} == {
        ("UPDATE", "MAX_KEY_DURATION"),
        ("UPDATE", "ACL"),
        ("DISABLE", "HTTPS"),
    }
    assert len({e["eventGroupID"] for e in events}) == 1


@pytest.mark.parametrize(
    "scope, fields",
    [
        ("logs:network:read", {"networkFlowLoggingOn"}),
        ("networking_settings:read", {"httpsEnabled"}),
        ("policy_file:read", {"aclsExternallyManagedOn", "aclsExternalLink"}),
        (
            "feature_settings:read",
            {
                "devicesApprovalOn",
                "devicesAutoUpdatesOn",
                "devicesKeyDurationDays",
                "usersApprovalOn",
                "usersRoleAllowedToJoinExternalTailnets",
                "regionalRoutingOn",
                "postureIdentityCollectionOn",
            },
        ),
    ],
)
def test_each_setting_is_seen_with_its_scope(ask: Ask, ask_as: AskAs, scope: str, fields: set[str]) -> None:
    ask.ok("PATCH", SETTINGS, json={"aclsExternalLink": "https://git.example.com/policy"})
    assert set(ask_as(kind="tailnet", scopes=[scope]).ok("GET", SETTINGS)) == fields


def test_one_setting_without_its_scope_refuses_them_all(ask: Ask, ask_as: AskAs) -> None:
    before = ask.ok("GET", SETTINGS)
    client = ask_as(kind="tailnet", scopes=["feature_settings"])
    assert (
        client.refused("PATCH", SETTINGS, json={"usersApprovalOn": True, "httpsEnabled": False})
        == NO_PERMISSION
    )
    assert ask.ok("GET", SETTINGS) == before
    assert client.ok("PATCH", SETTINGS, json={"usersApprovalOn": True})["usersApprovalOn"] is True
    assert ask_as(kind="tailnet", scopes=["dns"]).refused("GET", SETTINGS) == NO_PERMISSION
    reader = ask_as(kind="tailnet", scopes=["feature_settings:read", "logs:network"])
    assert reader.refused("PATCH", SETTINGS, json={}) == NO_PERMISSION


def test_a_token_of_the_tailnet_can_meet_a_failing_service(ask_as: AskAs) -> None:
    client = ask_as(kind="tailnet", scopes=["all"])
    wanted = {"usersRoleAllowedToJoinExternalTailnets": "none"}
    assert client.refused("PATCH", SETTINGS, json=wanted) == (500, "invalid actor")


@pytest.mark.parametrize(
    "body, message",
    [
        ({"httpsCertificates": True}, "unknown setting 'httpsCertificates'"),
        ({"devicesApprovalOn": "yes"}, "devicesApprovalOn must be true or false"),
        ({"devicesKeyDurationDays": True}, "devicesKeyDurationDays must be an integer"),
        ({"devicesKeyDurationDays": 0}, "devicesKeyDurationDays must be between 1 and 180"),
        ({"devicesKeyDurationDays": 181}, "devicesKeyDurationDays must be between 1 and 180"),
        (
            {"usersRoleAllowedToJoinExternalTailnets": "owner"},
            "usersRoleAllowedToJoinExternalTailnets must be one of",
        ),
        ({"aclsExternalLink": "git"}, "aclsExternalLink must be a URL with a host"),
        ([], "the body must be an object"),
    ],
)
def test_a_bad_setting_says_what_would_be_accepted(ask: Ask, body: Any, message: str) -> None:
    status, text = ask.refused("PATCH", SETTINGS, json=body)
    assert (status, text[: len(message)]) == (400, message)
    assert len(ask.fake.ledger) == 0


def test_a_snapshot_without_settings_and_contacts_has_the_usual_ones() -> None:
    with FakeTailnet(snapshot={"devices": []}) as fake, Ask(fake) as ask:
        assert ask.ok("GET", SETTINGS)["devicesKeyDurationDays"] == 180
        assert ask.ok("GET", CONTACTS)["account"] == {"email": ""}
        ask.ok("PATCH", f"{CONTACTS}/account", json={"email": "a@example.com"})
        assert ask.ok("GET", CONTACTS)["account"] == {"email": "a@example.com", "needsVerification": True}


def test_a_changed_contact_needs_verification(ask: Ask, fake: FakeTailnet) -> None:
    path = f"{CONTACTS}/support"
    assert ask.refused("POST", f"{path}/resend-verification-email")[0] == 400
    assert ask.ok("PATCH", path, json={"email": "help@example.com"}) is None
    pending = {"email": "help@example.com", "fallbackEmail": "bob@example.com", "needsVerification": True}
    assert ask.ok("GET", CONTACTS)["support"] == pending
    assert ask.ok("POST", f"{path}/resend-verification-email") is None
    ask.ok("PATCH", path, json={"email": "desk@example.com"})
    assert ask.ok("GET", CONTACTS)["support"]["fallbackEmail"] == "bob@example.com"
    verify_contact(fake.tailnet, "support")
    assert ask.ok("GET", CONTACTS)["support"] == {"email": "desk@example.com"}
    event = ask.events()[0]
    assert (event["target"]["property"], event["old"], event["new"]) == (
        "SUPPORT_EMAIL",
        "bob@example.com",
        "help@example.com",
    )


def test_going_back_to_the_verified_address_needs_nothing(ask: Ask) -> None:
    for email in ("help@example.com", "bob@example.com", "bob@example.com"):
        ask.ok("PATCH", f"{CONTACTS}/support", json={"email": email})
    assert ask.ok("GET", CONTACTS)["support"] == {"email": "bob@example.com"}


def test_bad_contacts(ask: Ask) -> None:
    assert ask.refused("PATCH", f"{CONTACTS}/billing", json={"email": "a@example.com"})[0] == 404
    assert ask.refused("POST", f"{CONTACTS}/billing/resend-verification-email")[0] == 404
    assert ask.refused("PATCH", f"{CONTACTS}/support", json={"email": "nobody"})[0] == 400
    assert ask.refused("PATCH", f"{CONTACTS}/support", json={})[1].startswith("email is missing")


def test_an_integration_never_tells_its_secret(ask: Ask, fake: FakeTailnet) -> None:
    wanted = {
        "provider": "jamfpro",
        "cloudId": "demo.example.com",
        "clientId": "c",
        "clientSecret": "demo-secret",
    }
    made = ask.ok("POST", INTEGRATIONS, json=wanted)
    path = f"/posture/integrations/{made['id']}"
    assert "clientSecret" not in made
    assert (made["provider"], made["cloudId"], made["tenantId"]) == ("jamfpro", "demo.example.com", "")
    assert ask.ok("GET", path) == made
    assert made in ask.ok("GET", INTEGRATIONS)["integrations"]
    fake.advance(60)
    changed = ask.ok("PATCH", path, json={"clientId": "d", "provider": "falcon"})
    assert changed == {**made, "clientId": "d", "configUpdated": fake.clock.text()}
    assert fake.tailnet.secrets[made["id"]] == "demo-secret"
    ask.ok("PATCH", path, json={"clientSecret": "demo-secret-2"})
    assert fake.tailnet.secrets[made["id"]] == "demo-secret-2"
    assert "demo-secret" not in f"{ask.events()}{fake.ledger.entries}{fake.snapshot()}"


def test_a_second_integration_of_a_provider_conflicts(ask: Ask) -> None:
    wanted = {"provider": "falcon", "clientSecret": "demo-secret"}
    assert ask.refused("POST", INTEGRATIONS, json=wanted) == (
        409,
        "a posture integration for falcon already exists",
    )
    falcon = ask.ok("GET", INTEGRATIONS)["integrations"][0]
    assert falcon["status"]["matchedCount"] >= 0
    assert ask.ok("DELETE", f"/posture/integrations/{falcon['id']}") is None
    assert ask.ok("POST", INTEGRATIONS, json=wanted)["status"] is None


def test_bad_integrations(ask: Ask) -> None:
    for body in (
        {},
        {"provider": "other", "clientSecret": "s"},
        {"provider": "kolide"},
        {"provider": "kolide", "clientSecret": ""},
    ):
        assert ask.refused("POST", INTEGRATIONS, json=body)[0] == 400
    for method, options in (("GET", {}), ("DELETE", {}), ("PATCH", {"json": {}})):
        assert ask.refused(method, "/posture/integrations/pNowhere", **options) == (
            404,
            "no posture integration with this id",
        )
