"""The contract of the cellar, held by every engine: points on the embedded engine, events and people on each database."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from loopwright.core.clock import SimClock
from loopwright.core.errors import InputError, StoreError
from loopwright.core.types import Event, Person
from loopwright.store import Store, User, open_store
from tests.store import postgres
from tests.store.plant import S, balanced, declared, numbered, speeds

ENGINES = ["sqlite", "postgres"]


@dataclass
class Engine:
    """How to open a plant whose events and people stand in this database."""

    folder: Path
    url: str
    clock: SimClock

    def open(self) -> Store:
        return open_store(self.folder, self.clock, events_url=self.url)



@pytest.fixture(scope="module", params=ENGINES)
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "sqlite":
        yield ""
    else:
        with postgres.server() as url:
            yield url


@pytest.fixture
def engine(server: str, tmp_path: Path) -> Engine:
    """An empty plant; on a server an empty database of its own."""
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


def test_a_database_that_is_not_there_is_named(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(StoreError, match=r"events postgresql\+psycopg://loop:\*\*\*@127\.0\.0\.1:1/x"):
        open_store(tmp_path, events_url="postgresql+psycopg://loop:secret@127.0.0.1:1/x")
    open_store(tmp_path).close()
