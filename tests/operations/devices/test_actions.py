"""Changes of devices: what is proposed, what is left alone and why, and what becomes of it in the tailnet."""

from __future__ import annotations

import pytest
from attrs import evolve

from tailscale_sdk.errors import ChangeRefusedError, ConfigurationError, NothingToChangeError
from tailscale_sdk.operations.devices import actions, attributes, duplicates, tagging
from tailscale_sdk.operations.fleet import Device, Proposal
from tailscale_sdk.operations.fleet_changes import Limits
from tests.operations.fleets import NOW, Admin, ago, ahead, device, fleet_of, silent


def of(*records: dict[str, object]) -> list[Device]:
    return list(fleet_of(*records).devices)


def reasons(proposal: Proposal) -> dict[str, str]:
    return {each.name.partition(".")[0]: each.reason for each in proposal.left_alone}


def named(admin: Admin, *names: str) -> list[Device]:
    fleet = admin.fleet()
    return [fleet.named(name)[0] for name in names]


def test_devices_are_approved_once(admin: Admin) -> None:
    proposal = actions.set_authorized(named(admin, "kiosk", "web-1"), True)
    assert reasons(proposal) == {"web-1": "it is approved already"}
    assert admin.do(proposal).ok
    assert admin.device("kiosk")["authorized"] is True
    assert admin.written() == ["authorizeDevice"]
    back = actions.set_authorized(named(admin, "kiosk"), False)
    assert "loses the tailnet" in back.steps[0].risks[0]
    assert admin.do(back).ok
    assert admin.device("kiosk")["authorized"] is False


def test_an_expired_key_stays_expired(admin: Admin) -> None:
    assert admin.do(actions.expire_keys(named(admin, "alice-laptop"), now=NOW)).ok
    assert admin.written() == ["expireDeviceKey"]
    past = of(device("past", expires=ago(days=1)))
    assert reasons(actions.expire_keys(past, now=NOW)) == {"past": "its key has expired already"}


def test_a_removed_device_is_gone_and_its_recipe_is_told(admin: Admin) -> None:
    proposal = actions.delete_devices(named(admin, "bob-laptop", "router-1"), population=9)
    assert "tailscale up --hostname=bob-laptop" in proposal.steps[0].risks[0]
    assert "--advertise-routes=10.1.0.0/16,10.2.0.0/16 --advertise-exit-node" in proposal.steps[1].risks[0]
    assert "cannot be taken back" in proposal.notes[0]
    report = admin.do(proposal)
    assert report.ok
    assert {d["name"] for d in admin.tailnet.tailnet.devices.values()}.isdisjoint(
        {"bob-laptop.example.ts.net", "router-1.example.ts.net"}
    )
    with pytest.raises(ChangeRefusedError, match="nothing of change"):
        admin.run(admin.engine.plan_undo(report.report.change_id))


def test_a_name_of_others_is_no_word_of_a_command() -> None:
    (hostile,) = of(device("x", hostname="$(reboot); echo 'hi'"))
    assert "'--hostname=$(reboot); echo '\"'\"'hi'\"'\"''" in actions.recipe_sentence(hostile)


def test_a_device_that_came_back_is_not_removed(admin: Admin) -> None:
    plan = admin.plan(actions.delete_devices(named(admin, "bob-laptop", "carol-phone")))
    admin.device("bob-laptop").update(connectedToControl=True, lastSeen=None)
    report = admin.apply(plan)
    assert [item.outcome for item in report.report.items] == ["skipped", "ok"]
    assert "connectedToControl" in str(report.report.items[0].reason)
    assert admin.device("bob-laptop")
    assert admin.written() == ["deleteDevice"]


def test_devices_of_others_are_left_alone(admin: Admin) -> None:
    (shared,) = of(device("shared", isExternal=True))
    for proposal in (
        actions.set_authorized([shared], True),
        actions.expire_keys([shared], now=NOW),
        actions.delete_devices([shared]),
        actions.set_key_expiry([shared], False, now=NOW),
        tagging.change_tags([shared], add=["tag:web"]),
    ):
        assert reasons(proposal) == {"shared": "it belongs to another tailnet"}
        with pytest.raises(NothingToChangeError, match="another tailnet"):
            admin.plan(proposal)


def test_a_name_is_changed_and_comes_back(admin: Admin) -> None:
    (web,) = named(admin, "web-1")
    report = admin.do(actions.rename(web, "front-1"))
    assert admin.device("front-1")["nodeId"] == web.id
    undo = admin.run(admin.engine.plan_undo(report.report.change_id))
    assert admin.run(admin.engine.apply(undo.id)).ok
    assert admin.device("web-1")["nodeId"] == web.id
    assert reasons(actions.rename(web, "web-1")) == {"web-1": "it has that name already"}
    with pytest.raises(ConfigurationError, match="is no name"):
        actions.rename(web, "front_1")


def test_key_expiry_switched_on_counts_the_date_it_had() -> None:
    fine = device("fine", keyExpiryDisabled=True, expires=ahead(days=10))
    gone = device("gone", keyExpiryDisabled=True, expires=ago(days=10))
    on = device("on")
    proposal = actions.set_key_expiry(of(fine, gone, on), True, now=NOW)
    assert [step.arguments["device_id"] for step in proposal.steps] == ["nFineCNTRL"]
    assert "expires on 2026-07-10" in proposal.steps[0].risks[0]
    assert "would count as expired since 2026-06-20" in reasons(proposal)["gone"]
    insisting = actions.set_key_expiry(of(gone), True, now=NOW, allow_expired=True)
    assert "drops off at once" in insisting.steps[0].risks[0]


def test_key_expiry_is_switched_off_in_the_tailnet(admin: Admin) -> None:
    assert admin.do(actions.set_key_expiry(named(admin, "alice-laptop"), False, now=NOW)).ok
    assert admin.device("alice-laptop")["keyExpiryDisabled"] is True


def test_an_address_is_changed(admin: Admin) -> None:
    report = admin.do(actions.set_ipv4(named(admin, "web-1")[0], "100.64.99.9"))
    assert report.ok
    assert "100.64.99.9" in admin.device("web-1")["addresses"]


def test_tags_are_added_and_taken_and_the_rest_stays(admin: Admin) -> None:
    owners = {"tag:web", "tag:db", "tag:old"}
    proposal = tagging.change_tags(
        named(admin, "web-1", "db-1"), add=["old", "tag:db"], remove=["tag:web"], owners=dict.fromkeys(owners)
    )
    assert admin.do(proposal).ok
    assert sorted(admin.device("web-1")["tags"]) == ["tag:db", "tag:old"]
    assert sorted(admin.device("db-1")["tags"]) == ["tag:db", "tag:old"]


def test_a_tag_must_exist_and_the_last_one_stays() -> None:
    (web,) = of(device("web-1", "", "tag:web"))
    with pytest.raises(ConfigurationError, match=r"tagOwners do not define tag:nope: they define tag:web"):
        tagging.change_tags([web], add=["nope"], owners={"tag:web": None})
    with pytest.raises(ConfigurationError, match="is no tag"):
        tagging.change_tags([web], add=["tag:1x"])
    assert "last tag" in reasons(tagging.change_tags([web], remove=["web"]))["web-1"]
    assert tagging.change_tags([web], remove=["web"], allow_untagged=True).steps[0].arguments["tags"] == []
    (own,) = of(device("laptop", "carol@example.com"))
    risks = tagging.change_tags([own], add=["web"]).steps[0].risks
    assert "no longer to carol@example.com" in risks[0]


def test_somebody_elses_tag_is_not_overwritten(admin: Admin) -> None:
    plan = admin.plan(tagging.change_tags(named(admin, "web-1"), add=["tag:old"]))
    admin.device("web-1")["tags"] = ["tag:web", "tag:db"]
    report = admin.apply(plan)
    assert [item.outcome for item in report.report.items] == ["failed"]
    assert admin.device("web-1")["tags"] == ["tag:web", "tag:db"]
    assert admin.written() == []


def test_attributes_of_many_devices_take_few_requests(admin: Admin) -> None:
    fleet = admin.fleet()
    proposal = attributes.set_attribute(fleet, fleet.devices, "custom:tier", "gold", comment="quarter end")
    assert len(proposal.steps) == 1
    assert admin.do(proposal).ok
    assert admin.written() == ["batchUpdateCustomDevicePostureAttributes"]
    stored = admin.run(admin.client.devices.get_attributes("nWeb1CNTRL")).to_dict()
    assert stored["attributes"]["custom:tier"] == "gold"
    assert admin.do(attributes.remove_attribute(fleet, fleet.devices[:1], "custom:tier")).ok
    stored = admin.run(admin.client.devices.get_attributes("nWeb1CNTRL")).to_dict()
    assert "custom:tier" not in stored["attributes"]
    many = fleet_of(*(device(f"d{n}") for n in range(450)))
    sizes = [
        len(s.arguments["nodes"]) for s in attributes.set_attribute(many, many.devices, "custom:a", 1).steps
    ]
    assert sizes == [200, 200, 50]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("tier", "gold", "is no key"),
        ("custom:ti er", "gold", "is no key"),
        ("custom:tier", "2026-01-01", "no dates"),
        ("custom:tier", "x" * 51, "50 at most"),
        ("custom:tier", 2**53, "too large"),
        ("custom:Level", 1, "by case only"),
        ("custom:level", "text", "of kind int"),
    ],
)
def test_what_cannot_be_stored_is_refused_before_anything_is_sent(
    key: str, value: str | int, said: str
) -> None:
    fleet = fleet_of(device("a"), attributes={"nBCNTRL": {"attributes": {"custom:level": 3}}})
    with pytest.raises(ConfigurationError, match=said):
        attributes.set_attribute(fleet, fleet.devices, key, value)


def test_a_value_is_read_as_what_it_is() -> None:
    assert [attributes.read_value(text) for text in ("true", "12", "-3", "gold", "1.5")] == [
        True,
        12,
        -3,
        "gold",
        "1.5",
    ]


def test_caps_in_number_and_percent_are_named(admin: Admin) -> None:
    proposal = actions.set_key_expiry(admin.fleet().devices, False, now=NOW, population=200)
    assert len(proposal.steps) == 4
    with pytest.raises(ChangeRefusedError, match="max_changes=3"):
        admin.plan(proposal, Limits(max_changes=3))
    many = evolve(proposal, steps=proposal.steps * 3)
    with pytest.raises(ChangeRefusedError, match="max_percent=5 of 200"):
        admin.plan(many, Limits(max_changes=50))
    assert len(admin.plan(proposal, Limits(max_changes=4)).plan.due) == 4


def test_what_is_known_is_not_read_again(admin: Admin) -> None:
    proposal = actions.set_authorized(named(admin, "kiosk"), True)
    before = len(admin.tailnet.ledger.entries)
    plan = admin.plan(proposal)
    assert plan.plan.items[0].before == {"authorized": False}
    assert len(admin.tailnet.ledger.entries) == before


MACHINE = "mkey:0011"


def test_machines_that_are_there_twice_are_told_by_evidence() -> None:
    fleet = fleet_of(
        device("clone", multipleConnections=True, machineKey="mkey:1"),
        device("twin", machineKey=MACHINE),
        silent("twin-old", 30, machineKey=MACHINE, hostname="other"),
        device("serial-a", postureIdentity={"serialNumbers": ["S1", ""]}, created=ago(days=3)),
        silent("serial-b", 9, postureIdentity={"serialNumbers": ["S1"]}),
        device("desk", "bob@example.com", created=ago(days=2)),
        silent("desk-1", 20, "bob@example.com", hostname="desk"),
        device("localhost", "bob@example.com", os="android"),
        silent("localhost-1", 20, "bob@example.com", hostname="localhost", os="android"),
        device("front", hostname="back"),
        device("shared", machineKey="", isExternal=True),
        device("shared-2", machineKey="", isExternal=True),
    )
    found = [
        (each.kind, each.confidence, [d.label for d in each.devices])
        for each in duplicates.find_duplicates(fleet)
    ]
    assert found == [
        ("cloned", "certain", ["clone"]),
        ("same-machine", "high", ["twin", "twin-old"]),
        ("same-machine", "high", ["serial-a", "serial-b"]),
        ("reinstalled", "medium", ["desk", "desk-1"]),
        ("suffixed", "medium", ["desk", "desk-1"]),
        ("renamed", "info", ["twin-old"]),
        ("renamed", "info", ["front"]),
    ]
    proposal = duplicates.clean_up(fleet)
    assert [step.arguments["device_id"] for step in proposal.steps] == ["nTwinOldCNTRL", "nSerialBCNTRL"]
    assert "medium confidence only" in reasons(proposal)["desk-1"]
    braver = duplicates.clean_up(fleet, confidence="medium")
    assert "nDesk1CNTRL" in [step.arguments["device_id"] for step in braver.steps]


def test_what_changed_since_a_snapshot_is_told() -> None:
    old = fleet_of(device("a"), device("b", machineKey=MACHINE), device("c"))
    new = fleet_of(
        device("a") | {"name": "front.example.ts.net"},
        device("b") | {"nodeId": "nNewCNTRL", "machineKey": MACHINE},
    )
    changes = duplicates.compare_fleets(old, new).to_dict()
    assert [each["was"] for each in changes["renamed"]] == ["a.example.ts.net"]
    assert [each["id"] for each in changes["removed"]] == ["nBCNTRL", "nCCNTRL"]
    assert [(each["id"], each["was"]["id"]) for each in changes["registered_again"]] == [
        ("nNewCNTRL", "nBCNTRL")
    ]
