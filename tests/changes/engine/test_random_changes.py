"""Random changes in random order, with a second writer: predictions come true, and nobody is overwritten."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tailscale_sdk.changes.evidence import watched
from tailscale_sdk.changes.predictions import compared
from tailscale_sdk.changes.readings import as_state, readings_of
from tailscale_sdk.changes.states import same
from tailscale_sdk.errors import ChangeRefusedError, PreconditionFailedError
from tailscale_sdk.testing import no_sleep
from tailscale_sdk.testing.policy_text import policy_etag
from tests.changes.engine.support import world
from tests.changes.engine.test_plans import device

PLACES = st.integers(0, 2)
LABELS = st.text("abcdefghij", min_size=1, max_size=6)
ADDRESSES = st.integers(1, 250).map("10.0.0.{}".format)
DOMAINS = st.sampled_from(["a.example.com", "b.example.com", "c.example.com"])
ATTRIBUTES = st.sampled_from(["custom:a", "custom:b"])
# All values of one key have one type, fixed by the first write.
VALUES = LABELS


def on_device(operation_id: str, **strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return calls of an operation on one of a few devices."""
    return st.tuples(st.just(operation_id), st.fixed_dictionaries({"device_id": PLACES, **strategies}))


def on_tailnet(operation_id: str, **strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return calls of an operation on the tailnet."""
    return st.tuples(st.just(operation_id), st.fixed_dictionaries(strategies))


CHANGES = st.one_of(
    on_device("setDeviceName", name=LABELS),
    on_device(
        "setDeviceTags",
        tags=st.lists(st.sampled_from(["tag:server", "tag:web", "tag:prod"]), min_size=1, unique=True),
    ),
    on_device("setDeviceRoutes", routes=st.lists(st.integers(1, 9).map("10.{}.0.0/16".format), unique=True)),
    on_device("authorizeDevice", authorized=st.booleans()),
    on_device("updateDeviceKey", key_expiry_disabled=st.booleans()),
    on_device("setCustomDevicePostureAttributes", attribute_key=ATTRIBUTES, value=VALUES),
    on_tailnet("setDnsNameservers", dns=st.lists(ADDRESSES, min_size=1, unique=True)),
    on_tailnet("setDnsSearchPaths", search_paths=st.lists(DOMAINS, unique=True)),
    on_tailnet(
        "setSplitDns", split_dns=st.dictionaries(DOMAINS, st.lists(ADDRESSES, min_size=1, unique=True))
    ),
    on_tailnet(
        "updateSplitDns",
        split_dns=st.dictionaries(DOMAINS, st.lists(ADDRESSES, min_size=1, unique=True), min_size=1),
    ),
    on_tailnet("updateTailnetSettings", devices_key_duration_days=st.integers(1, 180)),
    on_tailnet("setPolicyFile", policy=LABELS),
)


class RandomChanges(RuleBasedStateMachine):
    """Makes changes through the engine, and some past it."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        memory = Path("/dev/shm")  # noqa: S108  # a folder of its own is made in it
        folder = self.stack.enter_context(
            tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
        )
        self.stack.enter_context(no_sleep())
        self.made = self.stack.enter_context(world(Path(folder)))
        self.changed = self.written = 0

    def teardown(self) -> None:
        self.stack.close()

    def arguments(self, change: tuple[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
        """Return a drawn call with what it needs of this tailnet."""
        operation_id, drawn = change
        given = dict(drawn)
        if "device_id" in given:
            given["device_id"] = device(self.made, given["device_id"])
        if operation_id == "setDeviceName":
            # The service refuses a name that another device has.
            given["name"] += f"-{drawn['device_id']}"
        if operation_id == "setPolicyFile":
            text = self.made.tailnet.tailnet.policy_text
            given = {"policy": f"{text}// {given['policy']}\n", "if_match": policy_etag(text)}
        return operation_id, given

    def now(self, operation_id: str, arguments: dict[str, Any]) -> Any:
        """Read what a call changes, past the engine."""
        (reading,) = readings_of(operation_id, arguments, afterwards=True)
        found = as_state(reading, self.made.call(reading.operation_id, dict(reading.arguments)))
        return compared(operation_id, found)

    def applied(self, operation_id: str, arguments: dict[str, Any]) -> Any:
        """Plan and apply a call and check that it did what was predicted; returns the report and the state before."""
        before = self.now(operation_id, arguments)
        plan = self.made.plan(operation_id, arguments)
        assert same(self.now(operation_id, arguments), before)
        report = self.made.apply(plan)
        self.changed += 1
        self.written += 1
        (item,) = plan.items
        assert (report.items[0].outcome, report.items[0].verified) == ("ok", True)
        assert same(item.before, before)
        assert same(item.after, watched(operation_id, item.after, self.now(operation_id, arguments)))
        return report, before

    @rule(change=CHANGES)
    def change(self, change: Any) -> None:
        self.applied(*self.arguments(change))

    @rule(change=CHANGES)
    def change_and_return(self, change: Any) -> None:
        operation_id, arguments = self.arguments(change)
        report, before = self.applied(operation_id, arguments)
        undo = self.made.plan_undo(report.change_id)
        assert self.made.apply(undo).ok
        self.changed += 1
        self.written += 1
        assert same(self.now(operation_id, arguments), before)

    def differs(self, operation_id: str, arguments: dict[str, Any], action: Any) -> bool:
        """Do something past the engine and tell whether the state is another one since."""
        before = self.now(operation_id, arguments)
        action()
        return not same(before, self.now(operation_id, arguments))

    @rule(change=CHANGES, theirs=st.data())
    def somebody_else_before_it_is_applied(self, change: Any, theirs: Any) -> None:
        operation_id, arguments = self.arguments(change)
        plan = self.made.plan(operation_id, arguments)
        if not self.differs(operation_id, arguments, lambda: self.write_the_same(change, theirs)):
            return
        left = self.now(operation_id, arguments)
        report = self.made.apply(plan)
        self.changed += report.items[0].journal is not None
        assert report.items[0].outcome == "failed"
        assert same(self.now(operation_id, arguments), left)

    @rule(change=CHANGES, theirs=st.data())
    def somebody_else_before_it_is_undone(self, change: Any, theirs: Any) -> None:
        operation_id, arguments = self.arguments(change)
        report, before = self.applied(operation_id, arguments)
        self.write_the_same(change, theirs)
        left = self.now(operation_id, arguments)
        if same(left, before) or same(left, self.predicted(operation_id, arguments)):
            return
        try:
            self.made.plan_undo(report.change_id)
        except (ChangeRefusedError, PreconditionFailedError):
            assert same(self.now(operation_id, arguments), left)
        else:
            # What was changed by somebody else are other fields than those of this change.
            assert operation_id == "updateTailnetSettings"

    def predicted(self, operation_id: str, arguments: dict[str, Any]) -> Any:
        (image,) = self.made.state.preimages.for_change(self.made.state.journal.changes(1)[0].change_id)
        return {"policy": arguments["policy"]} if "policy" in arguments else image.content["after"]

    def write_the_same(self, change: Any, theirs: Any) -> None:
        """Let somebody else change the same thing to something of theirs."""
        same_kind = CHANGES.filter(lambda other: other[0] == change[0])
        operation_id, drawn = theirs.draw(same_kind)
        if "device_id" in drawn:
            drawn = {**drawn, "device_id": change[1]["device_id"]}
        self.made.call(*self.arguments((operation_id, drawn)))
        self.written += 1

    @invariant()
    def nothing_is_open_and_each_write_is_accounted_for(self) -> None:
        assert self.made.state.journal.open_entries() == ()
        assert len(self.made.tailnet.ledger) == self.written
        assert len(self.made.audited()) == self.changed


TestRandomChanges = RandomChanges.TestCase
TestRandomChanges.settings = settings(
    derandomize=True,
    max_examples=10,
    stateful_step_count=10,
    deadline=None,
    # Each step asks a server: a failing example is shown as it was found rather than made smaller for minutes.
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
