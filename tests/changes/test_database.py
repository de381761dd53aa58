"""The SQLite file: durable, shared, refused when it is newer or damaged, and never written where it was."""

from __future__ import annotations

import gc
import shutil
import sqlite3
import threading
from pathlib import Path

import pytest

from tailscale_sdk.changes import database as database_module
from tailscale_sdk.changes.database import Database
from tailscale_sdk.changes.state_directory import StateDirectory
from tailscale_sdk.errors import StateError
from tests.changes.disks import CALLS, ChangedDisk

ADD = "INSERT INTO plans VALUES (?, 'record', 'sha256', 1)"
COUNT = "SELECT count(*) FROM plans"


def add(database: Database, key: str) -> None:
    with database.write() as connection:
        connection.execute(ADD, (key,))


def interrupted(connection: sqlite3.Connection) -> None:
    connection.execute(ADD, ("c",))
    raise KeyboardInterrupt


def test_every_commit_is_synced_and_readers_do_not_wait(database: Database) -> None:
    add(database, "a")
    assert database.read("PRAGMA journal_mode") == [("wal",)]
    assert database.read("PRAGMA synchronous") == [(2,)]
    assert database.read("PRAGMA user_version") == [(database_module.VERSION,)]


def test_what_fails_half_way_is_not_there(database: Database) -> None:
    add(database, "a")
    with pytest.raises(StateError), database.write() as connection:
        connection.executemany(ADD, [("b",), ("a",)])
    with pytest.raises(KeyboardInterrupt), database.write() as connection:
        interrupted(connection)
    assert database.read("SELECT key FROM plans") == [("a",)]
    add(database, "d")
    assert database.read(COUNT) == [(2,)]


def test_two_of_one_file_see_each_other(state: StateDirectory) -> None:
    with Database(state) as one, Database(state) as other:
        add(one, "a")
        add(other, "b")
        assert one.read(COUNT) == other.read(COUNT) == [(2,)]


def test_many_threads_share_one(database: Database) -> None:
    def work(number: int) -> None:
        for inner in range(5):
            add(database, f"{number}/{inner}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert database.read(COUNT) == [(40,)]


def test_another_writer_that_hangs_ends_in_an_error(state: StateDirectory) -> None:
    with Database(state) as one, Database(state, busy_seconds=0) as other:
        add(one, "a")
        with one.write(), pytest.raises(StateError, match="look for one that hangs"):
            add(other, "b")
        add(other, "c")
        assert one.read(COUNT) == [(2,)]


def test_a_file_that_was_taken_away_is_not_written_to_any_more(database: Database) -> None:
    add(database, "a")
    shutil.rmtree(database.state.path)
    assert database.read(COUNT) == []
    add(database, "b")
    with sqlite3.connect(database.path) as seen:
        assert seen.execute("SELECT key FROM plans").fetchall() == [("b",)]
    seen.close()


def test_a_file_that_was_put_back_is_the_one_that_is_read(database: Database, tmp_path: Path) -> None:
    add(database, "a")
    database.close()
    shutil.copytree(database.state.path, tmp_path / "backup")
    add(database, "b")
    database.close()
    add(database, "c")
    shutil.rmtree(database.state.path)
    shutil.copytree(tmp_path / "backup", database.state.path)
    database.state.path.chmod(0o700)
    assert database.read("SELECT key FROM plans") == [("a",)]


def test_a_newer_file_is_refused_and_left_alone(database: Database) -> None:
    add(database, "a")
    with database.write() as connection:
        connection.execute("PRAGMA user_version=99")
    database.close()
    before = database.path.read_bytes()
    for act in (lambda: database.read(COUNT), lambda: add(database, "b")):
        with pytest.raises(StateError, match="upgrade tailscale-sdk") as caught:
            act()
        assert caught.value.code == "NEWER_VERSION"
    assert database.path.read_bytes() == before


def test_an_older_file_gets_what_it_lacks(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    add(database, "a")
    database.close()
    later = (*database_module._MIGRATIONS, ("CREATE TABLE later (x)", "INSERT INTO later VALUES (7)"))
    monkeypatch.setattr(database_module, "_MIGRATIONS", later)
    monkeypatch.setattr(database_module, "VERSION", len(later))
    assert database.read("SELECT x FROM later") == [(7,)]
    assert database.read("SELECT key FROM plans") == [("a",)]


def test_what_is_no_database_is_refused(state: StateDirectory) -> None:
    state.path.mkdir(mode=0o700)
    (state.path / "state.db").write_bytes(b"this is something else" * 100)
    (state.path / "state.db").chmod(0o600)
    with Database(state) as database, pytest.raises(StateError, match="move it away and keep it") as caught:
        add(database, "a")
    assert caught.value.code == "SQLITE_NOTADB"


def test_a_full_disk_says_so_and_costs_nothing_that_was_there(database: Database) -> None:
    add(database, "a")
    with database.write() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(StateError, match="free some space") as caught, database.write() as connection:
        connection.execute(ADD, ("x" * 1_000_000,))
    assert caught.value.code == "SQLITE_FULL"
    database.close()
    add(database, "b")
    assert database.read("SELECT key FROM plans ORDER BY key") == [("a",), ("b",)]


def test_what_may_only_be_read_says_so(database: Database) -> None:
    add(database, "a")
    with database.write() as connection:
        connection.execute("PRAGMA query_only=ON")
    with pytest.raises(StateError, match="file system is read-only"):
        add(database, "b")
    assert database.read(COUNT) == [(1,)]


@pytest.mark.parametrize(
    "call", [name for name in CALLS if name in {"open", "mkdir", "fsync_dir", "flock", "look"}]
)
def test_an_error_of_the_system_while_it_is_made_is_explained(tmp_path: Path, call: str) -> None:
    def failing(*arguments: object, **keywords: object) -> object:
        raise OSError(28, "no space left on device")

    database = Database(StateDirectory(tmp_path / "state", disk=ChangedDisk(call, failing)))
    with pytest.raises(StateError, match="free some space"):
        add(database, "a")
    with Database(StateDirectory(tmp_path / "state")) as database:
        add(database, "a")
        assert database.read(COUNT) == [(1,)]


def test_one_that_is_forgotten_closes_its_file(state: StateDirectory) -> None:
    database = Database(state)
    with database.write() as connection:
        pass
    del database
    gc.collect()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


def test_closing_twice_and_using_it_again_is_fine(database: Database) -> None:
    database.close()
    add(database, "a")
    database.close()
    database.close()
    assert database.read(COUNT) == [(1,)]
