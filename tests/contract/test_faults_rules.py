"""Which requests meet a fault, and which rules are refused in which words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tailscale_sdk._generated.operations import OPERATIONS
from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.testing import FAULTS, FakeTailnet, Faults
from tests.contract.raw import DEVICES, KEYS, VISIBLE, ask

pytestmark = pytest.mark.each_row


@pytest.fixture
def fake() -> Iterator[FakeTailnet]:
    """Serve three devices, with no rule yet."""
    with FakeTailnet(devices=3, faults=[]) as running:
        yield running


def statuses(fake: FakeTailnet, count: int) -> list[int]:
    return [ask(fake).status for _ in range(count)]


@pytest.mark.parametrize(
    "rule, expected",
    [
        ({}, [503, 503, 503, 503, 503]),
        ({"nth": 2}, [200, 503, 200, 200, 200]),
        ({"nth": 2, "times": 2}, [200, 503, 503, 200, 200]),
        ({"nth": [1, 4]}, [503, 200, 200, 503, 200]),
        ({"nth": [1, 4], "times": 1}, [503, 200, 200, 200, 200]),
        ({"times": 2}, [503, 503, 200, 200, 200]),
        ({"probability": 1}, [503, 503, 503, 503, 503]),
        ({"probability": 1, "times": 1}, [503, 200, 200, 200, 200]),
        ({"probability": 0}, [200, 200, 200, 200, 200]),
        ({"path": "/tailnet/-/dev*"}, [503, 503, 503, 503, 503]),
        ({"path": "/api/v2/tailnet/*"}, [503, 503, 503, 503, 503]),
        ({"path": "/device/*"}, [200, 200, 200, 200, 200]),
        ({"operation": "getDevice"}, [200, 200, 200, 200, 200]),
    ],
)
def test_a_rule_picks_its_requests(fake: FakeTailnet, rule: dict[str, Any], expected: list[int]) -> None:
    added = fake.faults.add({**rule, "fault": "503"})
    assert statuses(fake, 5) == expected
    assert (added.played, [seen.fault for seen in fake.faults.requests]) == (
        expected.count(503),
        ["503" if status == 503 else None for status in expected],
    )


def test_requests_are_counted_by_operation(fake: FakeTailnet) -> None:
    fake.faults.add({"operation": "listTailnetDevices", "nth": 2, "fault": "503"})
    assert [ask(fake, path=path).status for path in (DEVICES, KEYS, KEYS, DEVICES, DEVICES)] == [
        200,
        200,
        200,
        503,
        200,
    ]
    assert [seen.status for seen in fake.faults.of("listTailnetDevices")] == [200, 503, 200]


def test_the_first_rule_that_is_due_is_played_and_the_others_count(fake: FakeTailnet) -> None:
    first = fake.faults.add({"nth": 1, "fault": "500"})
    second = fake.faults.add({"nth": [1, 2], "fault": "503"})
    assert statuses(fake, 3) == [500, 503, 200]
    assert [(rule.matched, rule.played) for rule in (first, second)] == [(3, 1), (3, 1)]
    fake.faults.clear()
    assert (fake.faults.rules, len(fake.faults.requests)) == ((), 3)


def test_the_token_endpoints_are_operations_too(fake: FakeTailnet) -> None:
    fake.faults.add({"operation": "oauth/token", "fault": "500"})
    fake.faults.add({"path": "/oauth/token-exchange", "fault": "504"})
    assert [ask(fake, "POST", f"/api/v2/oauth/{name}").status for name in ("token", "token-exchange")] == [
        500,
        504,
    ]
    assert [seen.operation for seen in fake.faults.requests] == ["oauth/token", "oauth/token-exchange"]


def chances(seed: int | None, rules: Any) -> list[int]:
    with FakeTailnet(devices=1, faults=Faults(rules, seed=seed)) as fake:
        return statuses(fake, 40)


def test_chance_follows_the_seed() -> None:
    rules = {"seed": 7, "rules": [{"fault": "rand503"}]}
    first = chances(None, rules)
    assert 2 <= first.count(503) <= 16
    assert first == chances(None, rules) == chances(7, rules["rules"])
    assert first != chances(8, rules)


@pytest.mark.parametrize(
    "rule, words",
    [
        ({}, "rules[0].fault: is missing; give a fault, a delay above 0, or both"),
        ({"delay": 0}, "rules[0].fault: is missing"),
        ({"fault": "wreste"}, "rules[0].fault: 'wreste' is no fault; accepted are an object"),
        ({"fault": 503}, "rules[0].fault: 503 is no fault"),
        ({"fault": "outage"}, "rules[0].fault: outage is on the client's side of the wire"),
        ({"fault": "500", "whne": 1}, "rules[0].whne: is no key here; known are operation, path, nth"),
        ({"fault": "500", "when": "later"}, "rules[0].when: must be before_apply or after_apply for 500"),
        ({"fault": "500", "when": "mid_reply"}, "rules[0].when: must be before_apply or after_apply for 500"),
        (
            {"fault": "stall", "when": 1},
            "must be before_apply or after_apply or mid_reply for stall, found 1",
        ),
        ({"delay": 1, "when": "after_apply"}, "rules[0].when: says when a fault strikes, and there is none"),
        ({"fault": "500", "operation": "createkey"}, "did you mean createKey"),
        ({"fault": "500", "operation": ["x"]}, "rules[0].operation: ['x'] is no operation id"),
        (
            {"fault": "500", "operation": "createKey", "path": "/x"},
            "rules[0]: give operation or path, not both",
        ),
        ({"fault": "500", "path": 7}, "rules[0].path: must be a glob such as /tailnet/*/keys, found 7"),
        ({"fault": "500", "nth": 0}, "rules[0].nth: must be an integer of at least 1, found 0"),
        ({"fault": "500", "nth": True}, "rules[0].nth: must be an integer of at least 1, found True"),
        ({"fault": "500", "nth": [1, "2"]}, "rules[0].nth[1]: must be an integer of at least 1, found '2'"),
        ({"fault": "500", "nth": []}, "rules[0].nth: must name at least one request"),
        ({"fault": "500", "nth": 1, "probability": 0.5}, "rules[0]: give nth or probability, not both"),
        ({"fault": "500", "probability": 2}, "rules[0].probability: must be a number from 0 to 1, found 2"),
        ({"fault": "500", "times": 0}, "rules[0].times: must be an integer of at least 1, found 0"),
        ({"fault": "500", "delay": -1}, "rules[0].delay: must be a number from 0 to 3600, found -1"),
        ({"fault": "500", "delay": float("nan")}, "rules[0].delay: must be a number"),
        ({"fault": {"body": "x"}}, "rules[0].fault.status: must be an integer from 200 to 599, found None"),
        ({"fault": {"status": 100}}, "rules[0].fault.status: must be an integer from 200 to 599, found 100"),
        ({"fault": {"status": 200, "text": ""}}, "rules[0].fault.text: is no key here; known are status"),
        ({"fault": {"status": 200, "headers": []}}, "rules[0].fault.headers: must be an object of strings"),
        (
            {"fault": {"status": 200, "headers": {"A": "b\r\nC: d"}}},
            "rules[0].fault.headers.A: must be a header",
        ),
        ({"fault": {"status": 200, "headers": {"A b": "c"}}}, "rules[0].fault.headers.A b: must be a header"),
        ({"fault": {"status": 200, "headers": {"A": 1}}}, "rules[0].fault.headers.A: must be a header"),
        ({"fault": {"status": 200, "body": {1, 2}}}, "rules[0].fault.body: must be text or JSON"),
        ("stall", "rules[0]: must be an object, found a string"),
    ],
)
def test_a_bad_rule_is_refused_with_its_place_and_what_is_accepted(rule: Any, words: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Faults([rule])
    assert words in str(refused.value)


def test_an_unknown_row_lists_the_known_ones() -> None:
    with pytest.raises(ConfigurationError) as refused:
        Faults([{"fault": "?"}])
    listed = str(refused.value).rpartition(" and ")[2].split(", ")
    assert sorted(listed) == VISIBLE


@pytest.mark.parametrize("name", sorted(set(FAULTS) - set(VISIBLE)))
def test_what_no_server_can_play_is_named_and_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} is on the client's side of the wire"):
        Faults([{"fault": name}])


@pytest.mark.parametrize(
    "content, words",
    [
        ("[1]", "faults.json: must be an object"),
        ("{", "faults.json: line 1, column"),
        ("{}", "faults.json: rules: must be a list of rules, found nothing"),
        ('{"rules": {}}', "faults.json: rules: must be a list of rules, found an object"),
        ('{"rules": [], "sede": 1}', "faults.json: sede: is no key here; known are rules, seed"),
        ('{"rules": [], "seed": "a"}', "faults.json: seed: must be an integer, found a string"),
        ('{"rules": [{"fault": "500"}, {"fault": "501", "nth": 0}]}', "faults.json: rules[1].nth: must be"),
    ],
)
def test_a_bad_file_is_refused_with_the_place(tmp_path: Path, content: str, words: str) -> None:
    file = tmp_path / "faults.json"
    file.write_text(content)
    with pytest.raises(ConfigurationError) as refused:
        FakeTailnet(devices=0, faults=file)
    assert words in str(refused.value)


@pytest.mark.parametrize("path", ["missing.json", "\0"])
def test_a_file_that_is_not_there_is_refused(path: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Faults(path)


def test_an_added_rule_is_refused_by_its_place_in_it(fake: FakeTailnet) -> None:
    with pytest.raises(ConfigurationError, match=r"rule\.nth: must be an integer"):
        fake.faults.add({"fault": "500", "nth": -1})
    assert fake.faults.rules == ()


@pytest.mark.parametrize("url", ["example.com", "ftp://example.com", "http://example.com/path"])
def test_other_url_is_an_origin(url: str) -> None:
    with pytest.raises(ConfigurationError, match="other_url: must be an origin"):
        Faults(other_url=url)


def test_rules_come_from_a_file_its_content_a_list_or_faults(tmp_path: Path) -> None:
    rules = [{"operation": "listTailnetDevices", "fault": "500"}]
    file = tmp_path / "faults.json"
    file.write_text(json.dumps({"rules": rules}))
    for source in (file, str(file), {"rules": rules}, rules, Faults(rules)):
        with FakeTailnet(devices=1, faults=source) as fake:
            assert (ask(fake).status, ask(fake, path=KEYS).status) == (500, 200)


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_every_operation_can_have_a_rule(operation: str) -> None:
    [rule] = Faults([{"operation": operation, "fault": "500"}]).rules
    assert (rule.operation, rule.when, rule.name) == (operation, "before_apply", "500")
