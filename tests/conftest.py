"""What every test shares: the reference data, a quiet environment, and an honest count of skips."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import certifi
import pytest
from hypothesis import HealthCheck, settings

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
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what reads the reference data, and keep the tracer of the coverage out of what is timed."""
    for item in items:
        if "reference_data" in getattr(item, "fixturenames", ()):
            item.add_marker("reference")
        if item.get_closest_marker("realtime"):
            item.add_marker("no_cover")


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
