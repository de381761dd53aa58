"""What every test shares: the reference data, a quiet environment, and an honest count of skips."""

from __future__ import annotations

import gc
import itertools
import os
import sys
import threading
from collections.abc import Generator, Iterator
from pathlib import Path

import certifi
import pytest
from hypothesis import HealthCheck, settings

from tailscale_sdk import redact

CHECKOUT = Path(__file__).resolve().parent.parent
ABSENT = "reference data not present: set REFERENCE_DATA or put it at ../shared/data"

settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


def reference_folder() -> Path | None:
    """Find the reference data: $REFERENCE_DATA, else beside the checkout."""
    folder = Path(os.environ.get("REFERENCE_DATA") or CHECKOUT.parent / "shared" / "data")
    return folder if folder.is_dir() else None


@pytest.fixture(scope="session")
def reference_data() -> Path:
    """Return the folder of the reference data, or skip loudly."""
    folder = reference_folder()
    if folder is None:
        pytest.skip(ABSENT)
    return folder


@pytest.fixture(scope="session")
def checkout() -> Path:
    """Return the root of the repository."""
    return CHECKOUT


@pytest.fixture(scope="session", autouse=True)
def one_authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Trust a single certificate authority: no test leaves the machine, and every client would read all of them."""
    end = "-----END CERTIFICATE-----\n"
    first, _, _ = Path(certifi.where()).read_text(encoding="utf-8").partition(end)
    bundle = tmp_path_factory.mktemp("authority") / "one.pem"
    bundle.write_text(first[first.index("-----BEGIN CERTIFICATE-----") :] + end)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SSL_CERT_FILE", str(bundle))
        yield


@pytest.fixture(scope="session", autouse=True)
def machine_without_tailscale() -> Iterator[None]:
    """Keep every test from asking for the address of the machine it runs on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tailscale_sdk.changes.guards.own_addresses", frozenset)
        yield


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return unused folder names; numbering them here is quicker than searching for the next free one."""
    root = tmp_path_factory.mktemp("homes")
    return (root / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def quiet_environment(monkeypatch: pytest.MonkeyPatch, homes: Iterator[Path]) -> None:
    """Keep anybody's credentials, profiles and state out of every test."""
    for name in [name for name in os.environ if name.startswith("TAILSCALE_")]:
        monkeypatch.delenv(name)
    home = next(homes)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def no_secrets_of_others() -> Iterator[None]:
    """Forget afterwards what a test made known: thousands of secrets are no process's ordinary day."""
    known = redact._known
    before = {*known._lasting, *known._passing}
    yield
    for secret in {*known._lasting, *known._passing} - before:
        redact.forget(secret)


# By these a process that a test starts traces itself.
_TRACING_CHILDREN = ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what reads the reference data, and what the tracer of the coverage is kept from."""
    tables = set[str]()
    for item in items:
        if "reference_data" in getattr(item, "fixturenames", ()):
            item.add_marker("reference")
        table = item.nodeid.partition("[")[0]
        # Under the tracer a test takes twice as long, and the rows of a table mostly go the same way.
        if is_timed_or_random(item) or (table in tables and item.get_closest_marker("each_row") is None):
            item.add_marker("untraced")
        tables.add(table)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Spare the garbage collector what was collected: it lives to the end."""
    gc.collect()
    gc.freeze()


def is_timed_or_random(item: pytest.Item) -> bool:
    """Tell whether a test measures time, or goes one way so often that tracing it is all it would do."""
    random = getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
    return item.get_closest_marker("realtime") is not None or random


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, bool, bool]:
    """Keep the tracer from an untraced test, its fixtures, its threads and its processes."""
    if item.get_closest_marker("untraced") is None:
        return (yield)
    here, threads = sys.gettrace(), threading.gettrace()
    children = {name: os.environ.pop(name) for name in _TRACING_CHILDREN if name in os.environ}
    sys.settrace(None)
    threading.settrace(None)  # type: ignore[arg-type]  # as documented
    try:
        return (yield)
    finally:
        sys.settrace(here)
        threading.settrace(threads)  # type: ignore[arg-type]
        os.environ.update(children)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run when anything but a test of absent reference data was skipped."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or hasattr(session.config, "workerinput"):
        return
    skipped = reporter.stats.get("skipped", [])
    unexplained = [report.nodeid for report in skipped if ABSENT not in str(report.longrepr)]
    present = reference_folder() is not None
    if unexplained or (present and skipped):
        reporter.write_line(
            f"unexplained skips: {unexplained or [report.nodeid for report in skipped]}", red=True
        )
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
