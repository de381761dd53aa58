"""Invites of people and of devices: bare null lists, who may write them, the limit on resending."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tailscale_sdk.testing import FakeTailnet
from tests.contract.talk import NO_PERMISSION, NO_USER_ACCESS, Talk, named

LIMIT = "an invite can be resent once per minute"


@pytest.fixture
def tailnet() -> Iterator[FakeTailnet]:
    with FakeTailnet(devices=12) as running:
        yield running


@pytest.fixture
def talk(tailnet: FakeTailnet) -> Talk:
    return Talk(tailnet)


@pytest.fixture
def web(talk: Talk) -> dict[str, Any]:
    return named(talk.devices(), "web-1")


def test_lists_without_invites_are_a_bare_null(talk: Talk, web: dict[str, Any]) -> None:
    assert talk.request("GET", "/tailnet/-/user-invites").content == b"null"
    assert talk.request("GET", f"/device/{web['nodeId']}/device-invites").content == b"null"


def test_inviting_people(talk: Talk) -> None:
    body = [{"email": "new@example.com", "role": "admin"}, {}]
    by_mail, by_link = talk.post("/tailnet/-/user-invites", body).json()
    assert (by_mail["email"], by_mail["role"]) == ("new@example.com", "admin")
    assert by_mail["lastEmailSentAt"] == talk.tailnet.clock.text()
    assert by_link["role"] == "member"
    assert not {"email", "lastEmailSentAt"} & set(by_link)
    assert isinstance(by_mail["tailnetId"], int)
    assert by_mail["inviteUrl"].startswith("https://login.tailscale.com/uinv/")
    assert talk.get("/tailnet/-/user-invites") == [by_mail, by_link]
    assert talk.get(f"/user-invites/{by_link['id']}") == by_link
    talk.request("DELETE", f"/user-invites/{by_mail['id']}")
    assert talk.get("/tailnet/-/user-invites") == [by_link]
    talk.refused("GET", f"/user-invites/{by_mail['id']}", 404)


@pytest.mark.parametrize(
    "body", [{}, [], [5], [{"email": "x"}], [{"email": 5}], [{"role": "owner"}], [{"role": 5}], [{}] * 101]
)
def test_bad_invites_are_refused_and_none_is_made(talk: Talk, body: Any) -> None:
    mixed = [{}, *body] if isinstance(body, list) and 0 < len(body) < 100 else body
    talk.refused("POST", "/tailnet/-/user-invites", 400, json=mixed)
    assert talk.get("/tailnet/-/user-invites") is None


def test_resending_is_limited_to_one_per_minute(talk: Talk) -> None:
    (invite,) = talk.post("/tailnet/-/user-invites", [{"email": "new@example.com"}]).json()
    path = f"/user-invites/{invite['id']}/resend"
    talk.post(path)
    assert talk.refused("POST", path, 429) == LIMIT
    talk.tailnet.advance(59)
    assert talk.refused("POST", path, 429) == LIMIT
    talk.tailnet.advance(1)
    talk.post(path)
    assert talk.get(f"/user-invites/{invite['id']}")["lastEmailSentAt"] == talk.tailnet.clock.text()


def test_a_plain_tailnet_has_no_limit() -> None:
    with FakeTailnet(devices=0, plain=True) as tailnet:
        talk = Talk(tailnet)
        (invite,) = talk.post("/tailnet/-/user-invites", [{"email": "new@example.com"}]).json()
        for _ in range(3):
            talk.post(f"/user-invites/{invite['id']}/resend")


def test_only_invites_with_an_address_can_be_resent(talk: Talk) -> None:
    (invite,) = talk.post("/tailnet/-/user-invites", [{}]).json()
    assert "no e-mail address" in talk.refused("POST", f"/user-invites/{invite['id']}/resend", 400)


def test_tokens_of_the_tailnet_read_invites_but_never_write_them(talk: Talk, web: dict[str, Any]) -> None:
    (person,) = talk.post("/tailnet/-/user-invites", [{"email": "new@example.com"}]).json()
    path = f"/device/{web['nodeId']}/device-invites"
    (share,) = talk.post(path, [{"email": "guest@example.com"}]).json()
    token = Talk(talk.tailnet, talk.tailnet.add_credential(kind="tailnet"))
    assert len(token.get("/tailnet/-/user-invites")) == len(token.get(path)) == 1
    for method, forbidden in (
        ("POST", "/tailnet/-/user-invites"),
        ("POST", f"/user-invites/{person['id']}/resend"),
        ("DELETE", f"/user-invites/{person['id']}"),
        ("POST", path),
        ("POST", f"/device-invites/{share['id']}/resend"),
        ("DELETE", f"/device-invites/{share['id']}"),
        ("POST", "/device-invites/-/accept"),
    ):
        assert token.refused(method, forbidden, 403) == NO_PERMISSION, forbidden


def test_members_do_not_invite_people(talk: Talk) -> None:
    member = Talk(talk.tailnet, talk.tailnet.add_credential(role="member"))
    assert member.refused("POST", "/tailnet/-/user-invites", 403, json=[{}]) == NO_USER_ACCESS


def test_sharing_a_device(talk: Talk, web: dict[str, Any]) -> None:
    path = f"/device/{web['nodeId']}/device-invites"
    (invite,) = talk.post(path, [{"multiUse": True, "allowExitNode": True}]).json()
    assert invite["deviceId"] == int(web["id"])
    assert (invite["multiUse"], invite["allowExitNode"], invite["accepted"]) == (True, True, False)
    assert talk.get(path) == [invite]
    assert talk.get(f"/device-invites/{invite['id']}") == invite
    talk.request("DELETE", f"/device-invites/{invite['id']}")
    assert talk.get(path) is None


def test_the_invite_of_a_device_keeps_all_digits_of_its_id(talk: Talk) -> None:
    laptop = named(talk.devices(), "alice-laptop")
    assert int(laptop["id"]) > 2**53
    (invite,) = talk.post(f"/device/{laptop['nodeId']}/device-invites", [{}]).json()
    assert str(invite["deviceId"]) == laptop["id"]


@pytest.mark.parametrize("whole_link", [True, False])
def test_accepting_by_link_or_code(talk: Talk, web: dict[str, Any], whole_link: bool) -> None:
    path = f"/device/{web['nodeId']}/device-invites"
    (invite,) = talk.post(path, [{"email": "guest@example.com"}]).json()
    link = invite["inviteUrl"]
    body = {"invite": link if whole_link else link.rpartition("/")[2]}
    answer = talk.post("/device-invites/-/accept", body).json()
    assert (answer["device"]["id"], answer["device"]["fqdn"]) == (web["id"], web["name"])
    assert [answer["device"]["ipv4"], answer["device"]["ipv6"]] == web["addresses"]
    assert answer["sharer"]["loginName"] == answer["acceptedBy"]["loginName"] == "alice@example.com"
    assert talk.get(f"/device-invites/{invite['id']}")["accepted"] is True
    assert "accepted already" in talk.refused("POST", "/device-invites/-/accept", 400, json=body)
    assert "accepted already" in talk.refused("POST", f"/device-invites/{invite['id']}/resend", 400)


def test_an_invite_for_many_is_accepted_again(talk: Talk, web: dict[str, Any]) -> None:
    (invite,) = talk.post(f"/device/{web['nodeId']}/device-invites", [{"multiUse": True}]).json()
    for _ in range(2):
        talk.post("/device-invites/-/accept", {"invite": invite["inviteUrl"]})


@pytest.mark.parametrize(
    "code", ["", "x", "https://login.tailscale.com/admin/invite/", "https://evil.example.com/x"]
)
def test_unknown_codes_are_refused(talk: Talk, web: dict[str, Any], code: str) -> None:
    talk.post(f"/device/{web['nodeId']}/device-invites", [{}])
    assert "invite must be" in talk.refused("POST", "/device-invites/-/accept", 400, json={"invite": code})


def test_invites_end_with_their_device_and_with_time(talk: Talk, web: dict[str, Any]) -> None:
    path = f"/device/{web['nodeId']}/device-invites"
    (first,) = talk.post(path, [{}]).json()
    talk.tailnet.advance(30 * 86400)
    talk.refused("GET", f"/device-invites/{first['id']}", 404)
    (second,) = talk.post(path, [{}]).json()
    talk.request("DELETE", f"/device/{web['nodeId']}")
    talk.refused("GET", f"/device-invites/{second['id']}", 404)
    assert talk.tailnet.tailnet.device_invites == {}


def test_the_ledger_masks_what_is_as_good_as_a_credential(talk: Talk, web: dict[str, Any]) -> None:
    (invite,) = talk.post(f"/device/{web['nodeId']}/device-invites", [{}]).json()
    talk.post("/device-invites/-/accept", {"invite": invite["inviteUrl"]})
    (entry,) = talk.tailnet.ledger.of("acceptDeviceInvite")
    assert entry.body == {"invite": "***"}
