"""Single values of models: unknown fields, maps, kinds, times, depth, names."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from tailscale_sdk.models import Device, DevicePostureAttributesAttributes, SplitDns
from tests.sample_models import (
    BY_NAME,
    LATER,
    annotation,
    fields_of_all,
    full_source,
    new_value,
    text,
    touch,
)

pytestmark = pytest.mark.each_row


@touch
def test_unknown_fields_are_changed_added_and_removed(read: Callable[[Any], None]) -> None:
    device = Device.from_dict({"name": "web", "gone": 1, "kept": {"a": 1}, "one": 1, "deep": ["x"]})
    read(device)
    assert device.additional_properties == {"gone": 1, "kept": {"a": 1}, "one": 1, "deep": ["x"]}
    del device.additional_properties["gone"]
    device.additional_properties["one"] = True
    device.additional_properties["deep"].append("y")
    device.additional_properties["when"] = LATER
    device.additional_properties["null"] = None
    assert text(device.to_dict()) == text(
        {
            "name": "web",
            "kept": {"a": 1},
            "one": True,
            "deep": ["x", "y"],
            "when": "2031-05-06T07:08:09Z",
            "null": None,
        }
    )


def test_a_map_is_changed_like_a_dict() -> None:
    source = {"a.example": ["192.0.2.1"], "b.example": None, "c.example": ["192.0.2.3"], "odd.example": 5}
    split = SplitDns.from_dict(source)
    assert (split["b.example"], split.get("none"), len(split), "a.example" in split) == (None, None, 4, True)
    first = split["a.example"]
    assert first is not None
    first.append("192.0.2.9")
    split["c.example"] = None
    del split["b.example"]
    assert split.to_dict() == {
        "a.example": ["192.0.2.1", "192.0.2.9"],
        "c.example": None,
        "odd.example": 5,
    }


@pytest.mark.parametrize(
    "before, after", [(1, True), (0, False), (True, 1), (1, 1.0), ("1", 1), (1.5, "1.5"), (False, 0)]
)
def test_a_value_of_another_kind_is_a_change(before: Any, after: Any) -> None:
    attributes = DevicePostureAttributesAttributes.from_dict({"custom:level": before})
    attributes["custom:level"] = after
    assert text(attributes.to_dict()) == text({"custom:level": after})


@pytest.mark.parametrize(
    "sent",
    [
        *("", "2026-07-01", "20260701T100000Z", "2026-W27-3", "10:00:00", "2026-13-01T00:00:00Z"),
        *(
            "0001-01-01T00:00:00Z",
            "0001-01-01T00:00:00+05:00",
            "0001-12-31T23:59:59.5Z",
            "9" * 40,
            "\ud800" * 20,
        ),
    ],
)
def test_what_is_no_time_reads_as_none(sent: str) -> None:
    device = Device.from_dict({"created": sent})
    assert device.created is None
    assert device.to_dict() == {"created": sent}


@pytest.mark.parametrize(
    "sent, read",
    [
        ("2026-07-01T10:00:00Z", datetime(2026, 7, 1, 10, tzinfo=UTC)),
        ("2026-07-01T10:00:00", datetime(2026, 7, 1, 10, tzinfo=UTC)),
        ("2026-07-01t12:00:00.5+02:00", datetime(2026, 7, 1, 10, 0, 0, 500000, tzinfo=UTC)),
        ("2026-07-01T10:00:00.9999999Z", datetime(2026, 7, 1, 10, 0, 0, 999999, tzinfo=UTC)),
    ],
)
def test_times_are_read_and_their_text_is_kept(sent: str, read: datetime) -> None:
    device = Device.from_dict({"created": sent})
    assert device.created == read
    assert device.to_dict() == {"created": sent}
    device.created = read.astimezone(timezone(timedelta(hours=-3)))
    assert device.to_dict() == {"created": sent}


def test_a_time_that_utc_cannot_hold_is_kept() -> None:
    sent = "9999-12-31T23:59:59-01:00"
    device = Device.from_dict({"created": sent, "name": "web"})
    assert device.created == datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone(timedelta(hours=-1)))
    device.name = "changed"
    assert device.to_dict() == {"created": sent, "name": "changed"}


@pytest.mark.parametrize(
    "sent, read", [("n1", "n1"), (2**70, str(2**70)), (0, "0"), (True, None), (1.0, None), ("", "")]
)
def test_ids_are_text(sent: Any, read: str | None) -> None:
    device = Device.from_dict({"id": sent, "nodeId": sent})
    assert (device.id, device.node_id) == (read, read)
    assert text(device.to_dict()) == text({"id": sent, "nodeId": sent})


def test_a_value_read_twice_is_the_same_object() -> None:
    for model, name in fields_of_all():
        decoded = model.from_dict(full_source(model))
        assert getattr(decoded, name) is getattr(decoded, name)


def test_a_field_deleted_from_the_object_reads_as_received() -> None:
    for model, name in fields_of_all():
        source = full_source(model)
        decoded = model.from_dict(source)
        setattr(decoded, name, new_value(annotation(model, name))[0])
        delattr(decoded, name)
        assert text(decoded.to_dict()) == text(source)
        assert decoded == model.from_dict(source)


def test_a_name_that_is_no_field_is_refused() -> None:
    for model in BY_NAME.values():
        decoded = model.from_dict({"unheardOf": 1})
        with pytest.raises(AttributeError, match=f"{model.__name__} has no field 'unheard_of'"):
            _ = decoded.unheard_of  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="needs a mapping, not list"):
        Device.from_dict([])  # type: ignore[arg-type]


def test_models_can_be_extended() -> None:
    class Machine(Device):
        @property
        def label(self) -> str:
            return f"{self.name} ({self.os})"

    machine = Machine.from_dict({"name": "web", "os": "linux", "tags": ["tag:a"]})
    machine.note = "a subclass without slots takes attributes"  # type: ignore[attr-defined]
    machine.tags.append("tag:b")
    assert machine.label == "web (linux)"
    assert machine.to_dict() == {"name": "web", "os": "linux", "tags": ["tag:a", "tag:b"]}


def test_an_object_of_any_depth_is_copied() -> None:
    deep: Any = "bottom"
    for _ in range(5000):
        deep = {"down": [deep]}
    device = Device.from_dict({"name": "web", "deep": deep})
    found: Any = device.to_dict()["deep"]
    for _ in range(5000):
        found = found["down"][0]
    assert found == "bottom"
