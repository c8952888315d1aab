"""The contract of the cellar, held by every engine: points in a folder and an object store, events on each database."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from loopwright.core.clock import SimClock
from loopwright.core.errors import InputError, StoreError
from loopwright.core.types import Event, Person
from loopwright.store import Store, User, open_store, upkeep
from loopwright.store.state import check, state, tally
from loopwright.store.trace import trace
from tests.store import bucket, postgres
from tests.store.plant import S, balanced, blocks, declared, numbered, speeds

ENGINES = ["sqlite", "postgres", "s3"]  # events on each database; points in a folder, or in an object store


@dataclass
class Engine:
    """How to open a plant whose events and people stand in this database, and its points under this address."""

    folder: Path
    url: str
    clock: SimClock
    points_url: str = ""
    options: dict[str, str] | None = None

    def open(self) -> Store:
        return open_store(
            self.folder, self.clock, events_url=self.url, points_url=self.points_url, storage_options=self.options)


@pytest.fixture(scope="module", params=[pytest.param(one, marks=pytest.mark.slow) if one == "s3" else one for one in ENGINES])
def server(request: pytest.FixtureRequest) -> Iterator[str | dict[str, str]]:
    """Address of a database ('' for a file), or the options of an object store."""
    if request.param == "sqlite":
        yield ""
    else:
        with postgres.server() if request.param == "postgres" else bucket.server() as found:
            yield found


@pytest.fixture
def engine(server: str | dict[str, str], tmp_path: Path) -> Engine:
    """An empty plant; on a server an empty database of its own."""
    if isinstance(server, dict):
        return Engine(tmp_path / "plant", "", SimClock(), f"s3://plants/{abs(hash(tmp_path))}", server)
    if server:
        name = f"t{abs(hash(tmp_path)) % 10**12}"
        admin = sa.create_engine(server, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
        admin.dispose()
        server = server.rsplit("/", 1)[0] + f"/{name}"
    return Engine(tmp_path / "plant", server, SimClock())


def claimed(unit: str, **more: object) -> Event:
    return Event("unit.claimed", unit, 1, "console", {"owner": "p-1", "note": "Größe 7 ☂"}, **more)  # type: ignore[arg-type]


def test_points_and_events_of_a_plant_stand_after_a_restart(engine: Engine) -> None:
    with engine.open() as store:
        declared(store).put(numbered(speeds([1, 2, 3]), 0))
        store.flush()
        store.put(numbered(speeds([4], 3 * S), 3))
        recorded = store.record([claimed("u-1", because=("o-1",)), claimed("u-2")])
    with engine.open() as store:
        assert store.get().column("value").to_pylist() == [1, 2, 3, 4]
        assert store.recall() == recorded
        assert store.recall(because="o-1") == recorded[:1]
        assert store.recall(kind="unit.", newest_first=True, limit=1) == recorded[1:]
        assert store.recall(known_by_ns=recorded[0].known_ns) == recorded[:1]
        assert store.events.verify().length == 2
        assert store.record([claimed("u-3")])[0].known_ns > recorded[1].known_ns
        balanced(store.hops())


def test_points_are_corrected_joined_erased_and_counted(engine: Engine) -> None:
    with engine.open() as store:
        declared(store)
        for i in range(9):
            store.put(numbered(speeds([i, i + 0.5], i * S, step_ns=S // 2), 2 * i))
            store.put(numbered(blocks(("mill-2", "vibration", i * S, 10, [i, 0.1, -0.0])), 3 * i, "mqtt/mill-2"))
            assert store.flush() == 5
        upkeep.finish(store)
        event = store.record([Event("points.corrected", "mill-1", 0, "erika", {"reason": "typing error"})])[0]
        store.put(numbered(speeds([99.25]), 0, "http/erika", correction=event.id))
        values = [99.25, *(i / 2 for i in range(1, 18))]
        for _ in range(2):
            assert store.get(things="mill-1").column("value").to_pylist() == values
            runs = store.get(things="mill-2", blocks=True).column("values")
            assert runs.to_numpy()[4].tobytes() == np.array([4, 0.1, -0.0], np.float32).tobytes()
            balanced(store.hops())
            store.flush()
        assert len(store._tables[0].snapshot.files) < 9
    with engine.open() as store:
        assert store.newest("mill-1").column("value").to_pylist() == [8.5]
        assert store.erase_points("mill-2") == 27
        assert store.get(blocks=True).num_rows == 0
        assert store.get().column("value").to_pylist() == values
        balanced(store.hops())


def test_a_reader_beside_the_writer_sees_what_is_flushed(engine: Engine) -> None:
    with engine.open() as store:
        declared(store).put(numbered(speeds([1, 2]), 0))
        with open_store(
            engine.folder, engine.clock, read_only=True, events_url=engine.url, points_url=engine.points_url,
            storage_options=engine.options,
        ) as reader:
            assert reader.get().num_rows == 2
            store.flush()
            store.put(numbered(speeds([3], 2 * S), 2))
            assert reader.get().column("value").to_pylist() == [1, 2, 3]
            assert reader.newest().column("value").to_pylist() == [3]


def test_an_event_is_recorded_once_by_its_key(engine: Engine) -> None:
    with engine.open() as store:
        first = store.record([claimed("u-1", key="k")])
        assert store.record([claimed("u-2", key="k"), claimed("u-2", key="k")]) == first * 2
        assert len(store.recall()) == 1
        with pytest.raises(InputError, match="is taken"):
            store.record([claimed("u-9"), claimed("u-1", id=first[0].id)])
        assert len(store.recall()) == 1


def test_the_database_itself_refuses_to_edit_events(engine: Engine) -> None:
    with engine.open() as store:
        store.record([claimed("u-1", because=("o-1",)), claimed("u-2")])
        for statement in ("UPDATE events SET actor = 'x'", "DELETE FROM events", "DELETE FROM reasons"):
            with pytest.raises(sa.exc.DatabaseError, match="append-only"), store._engine.connect() as connection:
                connection.execute(sa.text(statement))
        assert store.events.verify().broken_at is None


def test_writers_in_many_threads_make_one_chain(engine: Engine) -> None:
    with engine.open() as store:
        together = threading.Barrier(4)

        def record(name: int) -> None:
            together.wait()
            for i in range(10):
                store.events.record([claimed(f"{name}-{i}"), claimed(f"{name}-{i}-b")])

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(record, range(4)))
        chain = store.events.verify()
        assert (chain.length, chain.broken_at) == (80, None)


def test_a_thousand_events_are_one_transaction(engine: Engine) -> None:
    with engine.open() as store:
        assert len(store.record([claimed(f"u-{i}", key=str(i)) for i in range(1000)])) == 1000
        with pytest.raises(InputError):
            store.record([*(claimed(f"v-{i}") for i in range(50)), Event("unit.claimed", "x", 1, "y")])
        assert store.events.verify().length == 1000


def test_where_things_stand_and_who_names_whom_is_kept_with_each_event(engine: Engine) -> None:
    made = {"order": "o-1", "design": "d", "as_built": {}, "made_ns": 1, "revision": "r1"}
    with engine.open() as store:
        store.record([Event("unit.finished", "u-1", 1, "shop", made), Event("unit.finished", "u-2", 2, "shop", {**made, "order": "o-2"}), claimed("u-1")])
        assert [(one.about, one.kind) for one in state(store, "order")] == [("o-1", "unit.claimed"), ("o-2", "unit.finished")]
        assert tally(store, "unit") == {"unit.claimed": 1, "unit.finished": 1}
        assert [event.about for event in store.recall(mentions="r1")] == ["u-1", "u-2"]
        assert {"o-1", "d", "r1"} <= trace(store, "u-1").nodes.keys()
        assert "u-2" in trace(store, "u-1", "forward").nodes
        assert store.query("SELECT count(*) AS n FROM events").to_pylist() == [{"n": 3}]
    with engine.open() as store:
        assert check(store) == []
        assert state(store, "unit", about="u-1", bodies=True)[0].body["owner"] == "p-1"


def test_people_are_saved_found_and_erased(engine: Engine) -> None:
    person = Person("p-1", {"stature": 1.8125}, "left", {"coach": 5}, "ansur2", "female")
    with engine.open() as store:
        store.people.save([person, replace(person, id="p-2", handedness="right")])
        store.people.save_user(User("zoe", "owner", "scrypt$", "p-1"))
        store.people.add_token("zoe", "h")
        assert store.people.person("p-1") == person
        assert [p.id for p in store.people.find(handedness="right")] == ["p-2"]
        assert store.people.user_of("h") == User("zoe", "owner", "scrypt$", "p-1")
        assert store.people.erase("p-1")
        assert [p.id for p in store.people.find()] == ["p-2"]
        assert store.people.user_of("h") is None


@pytest.mark.slow
def test_a_database_that_is_not_there_is_named(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(StoreError, match=r"events postgresql\+psycopg://loop:\*\*\*@127\.0\.0\.1:1/x"):
        open_store(tmp_path, events_url="postgresql+psycopg://loop:secret@127.0.0.1:1/x")
    open_store(tmp_path).close()
