"""Every model of the API: what was received survives, what was changed is written, nothing else moves."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailscale_sdk._generated.types import Model, encode_json
from tailscale_sdk.models import Device, Webhook
from tests.sample_models import (
    BY_NAME,
    LATER,
    Json,
    annotation,
    element_kind,
    fields_of_all,
    fits,
    full_source,
    nested_in,
    new_value,
    read_everything,
    received,
    text,
    touch,
    value_kind,
)

WRONG: tuple[Any, ...] = (None, "", "brand-new", "12", 0, 1, -7, 12.5, 2**70, True, False, [], {}, [None, 5])
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)


@st.composite
def odd_objects(draw: st.DrawFn) -> tuple[type[Model], Json]:
    """Draw a model and an object in which some fields are gone and some are of any kind."""
    model = draw(st.sampled_from(list(BY_NAME.values())))
    source = full_source(model)
    for key in draw(st.lists(st.sampled_from([*source, "brandNew"]), unique=True, max_size=6)):
        if draw(st.booleans()):
            source[key] = draw(anything)
        else:
            source.pop(key, None)
    return model, source


@settings(max_examples=120)
@given(odd_objects())
def test_any_object_is_read_and_returned_as_it_came(drawn: tuple[type[Model], Json]) -> None:
    model, source = drawn
    decoded = model.from_dict(copy.deepcopy(source))
    assert text(decoded.to_dict()) == text(source)
    read_everything(decoded)
    assert text(decoded.to_dict()) == text(source)
    assert decoded == model.from_dict(source)


@settings(max_examples=60)
@given(odd_objects(), st.data())
def test_one_changed_field_of_any_object_changes_one_key(
    drawn: tuple[type[Model], Json], data: st.DataObject
) -> None:
    model, source = drawn
    if not model._fields:
        return
    name = data.draw(st.sampled_from(sorted(model._fields)))
    value, written = new_value(annotation(model, name))
    decoded = model.from_dict(source)
    setattr(decoded, name, value)
    assert decoded.to_dict() == {**source, model._fields[name].api_name: written}


@pytest.mark.untraced
def test_no_key_costs_another() -> None:
    for model in BY_NAME.values():
        source = full_source(model)
        whole = model.from_dict(source)
        for key in source:
            others = [name for name, spec in model._fields.items() if spec.api_name != key]
            gone = {name: value for name, value in source.items() if name != key}
            for variant in (gone, *({**source, key: wrong} for wrong in WRONG)):
                decoded = model.from_dict(variant)
                read_everything(decoded)
                assert all(fits(getattr(decoded, name), annotation(model, name)) for name in model._fields)
                assert text(decoded.to_dict()) == text(variant)
                assert [getattr(decoded, name) for name in others] == [
                    getattr(whole, name) for name in others
                ]


def test_fields_read_as_their_kind() -> None:
    for model in BY_NAME.values():
        decoded, empty = model.from_dict(full_source(model)), model.from_dict({})
        for name in model._fields:
            kind = annotation(model, name)
            value, nothing = getattr(decoded, name), getattr(empty, name)
            if element_kind(kind) is not None:
                assert (len(value), nothing) == (2, [])
            elif (nested := nested_in(kind)) is not None:
                assert (type(value), nothing) == (nested, None)
            elif kind.startswith("datetime"):
                assert (value, nothing) == (datetime(2026, 7, 1, 10, 0, 0, 123456, tzinfo=UTC), None)
            else:
                assert (value, nothing) == (received(kind), None)


@touch
def test_one_changed_field_changes_one_key(read: Callable[[Any], None]) -> None:
    for model in BY_NAME.values():
        source = full_source(model)
        for name, spec in model._fields.items():
            value, written = new_value(annotation(model, name))
            decoded = model.from_dict(source)
            read(decoded)
            setattr(decoded, name, value)
            assert getattr(decoded, name) is value
            read_everything(decoded)
            assert getattr(decoded, name) is value
            assert text(decoded.to_dict()) == text({**source, spec.api_name: written})


@touch
def test_a_field_set_to_none_is_removed(read: Callable[[Any], None]) -> None:
    for model in BY_NAME.values():
        source = full_source(model)
        for name, spec in model._fields.items():
            decoded = model.from_dict(source)
            read(decoded)
            setattr(decoded, name, None)
            assert getattr(decoded, name) is None
            assert decoded.to_dict() == {key: value for key, value in source.items() if key != spec.api_name}


@pytest.mark.parametrize("sent", [(), (None,), ("wrong kind",)], ids=["absent", "null", "wrong"])
def test_what_cannot_be_read_can_be_replaced(sent: tuple[Any, ...]) -> None:
    for model, name in fields_of_all():
        api_name, (value, written) = model._fields[name].api_name, new_value(annotation(model, name))
        source = {"before": 1, **({api_name: sent[0]} if sent else {}), "after": 2}
        decoded = model.from_dict(source)
        assert getattr(decoded, name) in (None, [], *sent)
        setattr(decoded, name, value)
        assert decoded.to_dict() == {**source, api_name: written}


@pytest.mark.parametrize(
    "sent", [[], ["a"], ["a", None], ["a", 5, "b"], [{"x": 1}], None, "wrong kind"], ids=repr
)
def test_a_list_changed_in_place_is_written(sent: Any) -> None:
    for model, name in fields_of_all():
        element = element_kind(annotation(model, name))
        if element is None:
            continue
        source = {"before": 1, model._fields[name].api_name: sent}
        decoded = model.from_dict(source)
        readable = list(getattr(decoded, name))
        assert all(isinstance(item, nested_in(element) or str) for item in readable)
        value, written = new_value(element)
        getattr(decoded, name).append(value)
        assert getattr(decoded, name) == [*readable, value]
        kept = [item.to_dict() if isinstance(item, Model) else item for item in readable]
        assert decoded.to_dict() == {**source, model._fields[name].api_name: [*kept, written]}


def test_nested_objects_changed_in_place_are_written() -> None:
    for model in BY_NAME.values():
        source = full_source(model)
        for name, spec in model._fields.items():
            kind = annotation(model, name)
            if nested_in(kind) is None:
                continue
            decoded, expected = model.from_dict(source), copy.deepcopy(source)
            value, written = getattr(decoded, name), expected[spec.api_name]
            inner, place = (value[1], written[1]) if element_kind(kind) else (value, written)
            inner.additional_properties["changed"] = "here"
            place["changed"] = "here"
            assert text(decoded.to_dict()) == text(expected)


def test_a_change_at_depth_is_written_and_nothing_around_it() -> None:
    source = full_source(Device)
    source["clientConnectivity"]["latency"] = {"Paris": {"latencyMs": 1.5, "odd": None}, "Miami": "slow"}
    device, expected = Device.from_dict(source), copy.deepcopy(source)
    assert device.client_connectivity is not None
    assert device.client_connectivity.latency is not None
    assert device.client_connectivity.endpoints is not None
    device.client_connectivity.latency["Paris"].latency_ms = 9.5
    device.client_connectivity.endpoints.append("192.0.2.1:1")
    expected["clientConnectivity"]["latency"]["Paris"]["latencyMs"] = 9.5
    expected["clientConnectivity"]["endpoints"].append("192.0.2.1:1")
    assert device.to_dict() == expected


def test_a_model_shares_nothing_with_its_source_or_its_result() -> None:
    for model in BY_NAME.values():
        source = full_source(model)
        before = text(source)
        decoded = model.from_dict(source)
        for place in containers(decoded.to_dict()):
            place.clear()
        assert text(decoded.to_dict()) == before
        for name in model._fields:
            if isinstance(value := getattr(decoded, name), list):
                value.clear()
        assert text(source) == before
        decoded = model.from_dict(source)
        for place in containers(source):
            place.clear()
        assert text(decoded.to_dict()) == before


def containers(value: Any) -> list[Any]:
    """List every dict and list, innermost first."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    found = [place for element in inner for place in containers(element)]
    return [*found, value] if isinstance(value, (dict, list)) else found


@touch
def test_copies_are_equal_and_independent(read: Callable[[Any], None]) -> None:
    for model in BY_NAME.values():
        decoded = model.from_dict(full_source(model))
        read(decoded)
        for name in sorted(model._fields)[:1]:
            setattr(decoded, name, new_value(annotation(model, name))[0])
        decoded.additional_properties["added"] = new_value(value_kind(model))[0]
        source = decoded.to_dict()
        for twin in (copy.copy(decoded), copy.deepcopy(decoded), pickle.loads(pickle.dumps(decoded))):
            assert type(twin) is model
            assert twin == decoded
            twin.additional_properties["changed"] = new_value(value_kind(model))[0]
            assert twin != decoded
            assert text(twin.to_dict()) != text(source)
            assert text(decoded.to_dict()) == text(source)


def test_plain_fields_are_read_with_the_object_and_nested_ones_wait() -> None:
    for model in BY_NAME.values():
        decoded = model.from_dict(full_source(model))
        for name in model._fields:
            kinds = set(annotation(model, name).split(" | "))
            if nested_in(annotation(model, name)) is not None:
                with pytest.raises(AttributeError):
                    object.__getattribute__(decoded, name)
            elif not ("str" in kinds and kinds & {"int", "float"}):
                assert object.__getattribute__(decoded, name) is not None


def test_models_that_read_alike_are_equal_and_others_are_not() -> None:
    for model, name in fields_of_all():
        source = full_source(model)
        changed = model.from_dict(source)
        setattr(changed, name, new_value(annotation(model, name))[0])
        assert changed != model.from_dict(source)
        assert changed == model.from_dict(changed.to_dict())


def test_a_model_made_of_keywords_is_the_one_received() -> None:
    for model in BY_NAME.values():
        pairs = {name: new_value(annotation(model, name)) for name in model._fields}
        made = model(**{name: value for name, (value, _) in pairs.items()})
        expected = {model._fields[name].api_name: written for name, (_, written) in pairs.items()}
        assert {name: getattr(made, name) for name in pairs} == {
            name: value for name, (value, _) in pairs.items()
        }
        assert text(made.to_dict()) == text(expected)
        assert made == model.from_dict(expected)


def test_keywords_that_are_not_given_are_not_sent() -> None:
    for model, name in fields_of_all():
        value, written = new_value(annotation(model, name))
        rest = dict.fromkeys(sorted(model._fields.keys() - {name})[:2])
        made = model(**{name: value}, **rest)
        assert made.to_dict() == {model._fields[name].api_name: written}
        assert all(getattr(made, other) in (None, []) for other in model._fields if other != name)
        assert made == model.from_dict(made.to_dict())
        assert model().to_dict() == {}


def test_fields_of_a_made_model_can_be_filled_later() -> None:
    device = Device(name="web", tags=["tag:a"], addresses=[])
    assert device.to_dict() == {"name": "web", "tags": ["tag:a"], "addresses": []}
    device.tags.append("tag:b")
    device.enabled_routes.append("10.0.0.0/8")
    device.expires = LATER
    device.name = None
    assert device.to_dict() == {
        "tags": ["tag:a", "tag:b"],
        "addresses": [],
        "enabledRoutes": ["10.0.0.0/8"],
        "expires": "2031-05-06T07:08:09Z",
    }
    assert encode_json(device) == encode_json(device.to_dict())


def test_secrets_do_not_show() -> None:
    hidden = 0
    for model in BY_NAME.values():
        for field in attrs.fields(model):
            if field.name in model._fields and field.repr is not True:
                hidden += 1
                source = {model._fields[field.name].api_name: "tskey-demo"}
                assert f"{field.name}='***'" in repr(model.from_dict(source))
                assert "tskey-demo" not in repr(model.from_dict(source))
                assert f"{field.name}=None" in repr(model.from_dict({}))
    assert hidden > 3
    assert "endpoint_url='https://example.com'" in repr(Webhook(endpoint_url="https://example.com"))
