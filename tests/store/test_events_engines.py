"""Events on both databases: processes at once, servers that go away, migrations that fail, searches that use an index."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from loopwright.core.clock import SimClock
from loopwright.core.errors import InputError, StoreError, UnknownName
from loopwright.core.types import Event
from loopwright.store import Store, open_store, schema
from loopwright.store.state import check, state
from loopwright.store.trace import trace
from tests.store import postgres
from tests.store.databases import server, url
from tests.store.test_state import claimed, finished, placed, step

__all__ = ["server", "url"]  # fixtures: both databases

OLD = "0001"  # the first version of the database


def old_database(url: str, monkeypatch: pytest.MonkeyPatch) -> sa.Engine:
    """A database of version 0001, as the first release left it."""
    with monkeypatch.context() as patched:
        patched.setattr(schema, "HEAD", OLD)
        return schema.connect(url)


def fill_old(engine: sa.Engine, count: int) -> None:
    """Events as the first release wrote them: rows of `events` and `reasons` alone."""
    rows = [
        {"number": i, "id": f"e-{i}", "kind": "unit.finished", "about": f"u-{i}", "t_ns": i, "known_ns": i, "actor": "shop",
         "body": json.dumps({"as_built": {}, "design": f"d-{i}", "made_ns": i, "order": f"o-{i // 2}"}), "because": "[]", "key": None, "hash": "0" * 64}
        for i in range(1, count + 1)
    ]
    with engine.begin() as connection:
        connection.execute(sa.insert(schema.events), rows)


WRITER = """
import sys
from pathlib import Path
from loopwright.core.types import Event
from loopwright.store import open_store
name, url, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
with open_store(Path(sys.argv[4]) / name, events_url=url) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    for i in range(rounds):
        body = {"order": f"o-{i}", "design": "d", "as_built": {}, "made_ns": 1}
        store.record([Event("unit.finished", f"{name}-{i}-{n}", i, name, body, key=f"{name}/{i}/{n}") for n in range(5)])
        store.record([Event("unit.claimed", "the same unit", i, name, {"owner": name}, key=f"same/{i}")])
"""


def writers(url: str, folder: Path, names: list[str], rounds: int) -> list[subprocess.Popen[str]]:
    """Processes that open the same database and wait for a word."""
    found = [
        subprocess.Popen([sys.executable, "-c", WRITER, name, url, str(rounds), str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name in names
    ]
    for one in found:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    return found


@pytest.mark.slow
def test_two_processes_that_record_at_once_make_one_whole_chain(url: str, tmp_path: Path) -> None:
    """The database is new: both processes also find it empty and migrate it at the same time."""
    both = writers(url, tmp_path, ["left", "right"], 20)
    for one in both:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    for one in both:
        one.communicate(timeout=60)
    assert [one.returncode for one in both] == [0, 0]
    with open_store(tmp_path / "reader", events_url=url) as store:
        chain = store.events.verify()
        assert (chain.length, chain.broken_at) == (2 * 20 * 5 + 20, None)
        assert len(store.recall(about="the same unit")) == 20
        assert check(store) == []


@pytest.mark.slow
def test_an_old_database_is_folded_on_opening(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = old_database(url, monkeypatch)
    fill_old(engine, 11_000)  # more than two chunks
    engine.dispose()
    with open_store(tmp_path / "plant", events_url=url) as store:
        assert check(store) == []
        assert state(store, "unit", about="u-7")[0].parent == "o-3"
        assert [one.about for one in state(store, "unit", parent="o-3")] == ["u-7", "u-6"]
        assert [one.about for one in store.recall(mentions="o-5000")] == ["u-10000", "u-10001"]


def test_a_migration_that_fails_half_way_leaves_the_old_database_usable(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = old_database(url, monkeypatch)
    fill_old(engine, 3)
    with engine.begin() as connection:  # a body that cannot be read stops the fold, after the new tables were made
        connection.execute(sa.insert(schema.events), [{"number": 4, "id": "e-4", "kind": "unit.claimed", "about": "u", "t_ns": 1, "known_ns": 9, "actor": "x", "body": "{half", "because": "[]", "key": None, "hash": ""}])
    with pytest.raises(StoreError, match=r"event 4 .* cannot be read"):
        open_store(tmp_path / "plant", events_url=url)
    tables = set(sa.inspect(engine).get_table_names())
    assert "events" in tables
    assert not {"links", "states"} & tables
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() == OLD
        assert connection.execute(sa.select(sa.func.count()).select_from(schema.events)).scalar() == 4
    engine.dispose()


def test_a_database_of_a_newer_version_is_refused_in_words(url: str, tmp_path: Path) -> None:
    open_store(tmp_path / "plant", events_url=url).close()
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0999'"))
    engine.dispose()
    with pytest.raises(StoreError, match=r"newer Loopwright \(its version is 0999\).*there is no way back"):
        open_store(tmp_path / "plant", events_url=url)


def test_a_reader_of_an_older_database_is_told_to_open_it_for_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_store(tmp_path).close()
    (tmp_path / "events.sqlite").unlink()
    old_database(f"sqlite:///{tmp_path / 'events.sqlite'}", monkeypatch).dispose()
    with pytest.raises(StoreError, match=r"older Loopwright .* open the plant once for writing"):
        open_store(tmp_path, read_only=True)


@pytest.fixture
def store(url: str, tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "plant", SimClock(), events_url=url) as opened:
        yield opened


def test_usual_searches_never_read_the_whole_table(store: Store) -> None:
    """EXPLAIN of every statement that a search sends, on a table large enough for the planner to care."""
    store.record([replace(finished(f"u-{i}", f"o-{i}", i, revision=f"r{i % 3}"), because=(f"e-{i}",)) for i in range(3000)])
    sent: list[tuple[str, object]] = []

    def heard(connection: sa.Connection, cursor: object, statement: str, parameters: object, *_: object) -> None:
        sent.append((statement, parameters))

    sa.event.listen(store._engine, "before_cursor_execute", heard)
    one = store.recall(about="u-7")[0]
    for question in (
        {"kind": "unit.claimed"}, {"kind": ["unit.claimed", "alarm."], "limit": 9}, {"kind": "unit.", "limit": 9, "newest_first": True},
        {"about": "u-7"}, {"about": ["u-7", "u-8"], "kind": "unit.finished"}, {"about": "u-7", "start_ns": 5, "end_ns": 9},
        {"start_ns": 5, "end_ns": 9}, {"kind": "unit.finished", "start_ns": 5, "end_ns": 9}, {"because": "e-1"}, {"because": "e-1", "kind": "unit.claimed"},
        {"mentions": "o-7"}, {"mentions": ["o-7", "o-8"], "kind": "unit."}, {"after": one.id, "limit": 9}, {"known_by_ns": one.known_ns, "limit": 9},
        {"kind": "unit.finished", "known_by_ns": one.known_ns, "limit": 9, "newest_first": True},
    ):
        store.recall(**question)  # type: ignore[arg-type]
    state(store, "unit", limit=9)
    state(store, "unit", status="finished", limit=9)
    state(store, "unit", parent="o-7")
    trace(store, "u-7", "both")
    store.record([claimed("u-7", "p")])
    sa.event.remove(store._engine, "before_cursor_execute", heard)
    plans = [plan for statement, parameters in sent for plan in _plan(store, statement, parameters)]
    assert len(plans) > 60
    assert not [plan for plan in plans if _scans(plan)]


def _plan(store: Store, statement: str, parameters: object) -> list[str]:
    if not statement.lstrip().upper().startswith("SELECT") or "pg_" in statement or "WHERE" not in statement:
        return []  # without a condition it reads the newest by number
    word = "EXPLAIN QUERY PLAN " if store._engine.dialect.name == "sqlite" else "EXPLAIN "
    with store._engine.connect() as connection:
        return [str(row[-1]) for row in connection.exec_driver_sql(word + statement, parameters)]  # type: ignore[arg-type]


def _scans(plan: str) -> bool:
    """Whether it reads a table of events from end to end."""
    tables = ("events", "links", "states", "reasons")
    if "Seq Scan on" in plan:
        return any(f"Seq Scan on {table}" in plan for table in tables)
    return any(plan.startswith(f"SCAN {table}") for table in tables)


def test_pages_of_a_search_follow_each_other(store: Store) -> None:
    recorded = store.record([claimed(f"u-{i}", "p") if i % 3 else placed(f"o-{i}") for i in range(50)])
    for newest_first in (False, True):
        wanted = [event for event in recorded if event.kind == "unit.claimed"][:: -1 if newest_first else 1]
        pages, after = [], ""
        while page := store.recall(kind="unit.", after=after, limit=7, newest_first=newest_first):
            pages += page
            after = page[-1].id
        assert pages == wanted
    with pytest.raises(UnknownName, match="nothing like it"):
        store.recall(after="nothing like it")


def test_several_kinds_with_a_limit_are_the_first_of_them_all(store: Store) -> None:
    recorded = store.record([claimed("u", "p") if i % 5 == 0 else placed(f"o-{i}") if i % 2 else step("u", "o") for i in range(60)])
    kinds = ["unit.claimed", "order."]
    wanted = [event for event in recorded if event.kind in ("unit.claimed", "order.placed")]
    assert store.recall(kind=kinds, limit=11) == wanted[:11]
    assert store.recall(kind=kinds, limit=11, newest_first=True) == wanted[::-1][:11]
    assert store.recall(kind=kinds, limit=500) == store.recall(kind=kinds) == wanted
    assert store.recall(kind=["unit.claimed", "unit."], limit=500) == [event for event in wanted if event.kind == "unit.claimed"]
    assert store.recall(kind="unit.claimed", limit=0) == []
    with pytest.raises(InputError, match="limit is -1"):
        store.recall(limit=-1)


def test_any_number_of_ids_may_be_asked_for(store: Store) -> None:
    recorded = store.record([claimed(f"u-{i}", "p") for i in range(50)])
    many = [f"u-{i}" for i in range(40_000, -1, -1)]
    assert store.recall(about=many) == recorded
    assert store.recall(about=many, kind="unit.", limit=7, newest_first=True) == recorded[:-8:-1]


@pytest.mark.parametrize("event", [
    Event("unit.claimed", "u\0", 1, "p", {"owner": "p"}), Event("unit.claimed", "u", 1, "\ud800", {"owner": "p"}),
    Event("unit.claimed", "u", 1, "p", {"owner": "\ud800"}), Event("unit.claimed", "u", 2**63, "p", {"owner": "p"}),
    Event("unit.claimed", "u", 1, "p", {"owner": "p"}, because="abc"), Event("unit.claimed", 7, 1, "p", {"owner": "p"}),  # type: ignore[arg-type]
    Event("unit.claimed", "u" * 10_000, 1, "p", {"owner": "p"}), Event("unit.claimed", "u", 1, "p" * 501, {"owner": "p"}),
    Event("unit.claimed", "u", 1.5, "p", {"owner": "p"}), Event("unit.claimed", "u", 1, "p", {"owner": "p"}, key="\0"),  # type: ignore[arg-type]
])
def test_what_a_database_cannot_hold_is_refused_in_words_on_both(event: Event, store: Store) -> None:
    with pytest.raises(InputError, match=r"cannot be kept as text|cannot be written as JSON|is no time|because is the text"):
        store.record([claimed("u-1", "p"), event])
    assert store.recall() == []


def test_a_nul_and_a_very_long_text_within_a_body_are_kept(store: Store) -> None:
    recorded = store.record([Event("unit.claimed", "u", 1, "p", {"owner": "a\0b"}), Event("unit.claimed", "u", 1, "p", {"owner": "x" * 100_000})])
    assert store.recall() == recorded
    assert store.events.verify().broken_at is None


@pytest.mark.slow
def test_a_server_that_restarts_is_found_again_by_the_same_store(tmp_path: Path) -> None:
    with postgres.server() as url, open_store(tmp_path / "plant", events_url=url) as store:
        store.record([claimed("u-1", "p")])
        postgres.stop(url)
        with pytest.raises(StoreError, match="nothing was recorded"):
            store.record([claimed("u-2", "p")])
        with pytest.raises(StoreError, match="cannot be read"):
            store.recall()
        postgres.start(url)
        store.record([claimed("u-3", "p")])
        assert [event.about for event in store.recall()] == ["u-1", "u-3"]
        assert store.events.verify().broken_at is None
        assert check(store) == []


@pytest.mark.slow
def test_a_server_that_dies_within_a_transaction_keeps_nothing_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with postgres.server() as url, open_store(tmp_path / "plant", events_url=url) as store:
        store.record([claimed("u-1", "p")])

        def dies(connection: sa.Connection, first: int, last: int) -> None:
            postgres.stop(url)

        with monkeypatch.context() as patched:
            patched.setattr(schema, "count_again", dies)  # called last, before the commit
            with pytest.raises(StoreError, match="nothing was recorded"):
                store.record([claimed("u-2", "p")])
        postgres.start(url)
        assert [event.about for event in store.recall()] == ["u-1"]
        store.record([claimed("u-2", "p")])
        assert store.events.verify().length == 2


def test_a_database_that_another_holds_too_long_is_an_error_that_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "PATIENCE_S", 0.2)
    with open_store(tmp_path) as store:
        store.record([claimed("u-1", "p")])
        other = sqlite3.connect(tmp_path / "events.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"locked.*another process holds it; try again; nothing was recorded"):
            store.record([claimed("u-2", "p")])
        assert [event.about for event in store.recall()] == ["u-1"]
        other.execute("ROLLBACK")
        other.close()
        store.record([claimed("u-2", "p")])
        assert store.events.verify().length == 2


def test_a_writer_that_is_held_up_for_a_moment_waits(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        other = sqlite3.connect(tmp_path / "events.sqlite", isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(0.3, lambda: other.execute("ROLLBACK"))
        timer.start()
        store.record([claimed("u-1", "p")])
        timer.join()
        other.close()
        assert store.events.verify().length == 1


def test_queries_over_events_see_what_was_just_recorded_and_survive_a_lost_file(store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from loopwright.store import archive

    monkeypatch.setattr(archive, "PART", 40)
    count = "SELECT kind, count(*) AS n, max(number) AS last FROM events GROUP BY kind ORDER BY kind"
    store.record([claimed(f"u-{i}", "p") for i in range(100)])
    assert store.query(count).to_pylist() == [{"kind": "unit.claimed", "n": 100, "last": 100}]
    store.record([placed("o-1")])
    assert store.query(count).to_pylist()[0] == {"kind": "order.placed", "n": 1, "last": 101}
    assert store.query("SELECT * FROM events ORDER BY number").equals(store.events.table())
    files = sorted((store.path / "events").glob("*.parquet"))
    assert files
    files[0].unlink()
    with open_store(store.path, events_url=store._engine.url.render_as_string(False), read_only=True) as reader:
        assert reader.query("SELECT count(*) AS n, sum(number) AS s FROM events").to_pylist() == [{"n": 101, "s": 101 * 102 // 2}]


def test_files_of_another_past_are_left_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A restored database has other events than the files that were laid down before."""
    from loopwright.store import archive

    monkeypatch.setattr(archive, "PART", 10)
    with open_store(tmp_path) as store:
        store.record([claimed(f"old-{i}", "p") for i in range(30)])
        assert store.query("SELECT count(*) AS n FROM events").to_pylist() == [{"n": 30}]
    (tmp_path / "events.sqlite").unlink()
    with open_store(tmp_path) as store:
        store.record([claimed(f"new-{i}", "p") for i in range(25)])
        rows = store.query("SELECT count(*) AS n, count(*) FILTER (about LIKE 'old%') AS old FROM events").to_pylist()
        assert rows == [{"n": 25, "old": 0}]
