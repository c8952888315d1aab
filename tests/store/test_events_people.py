"""Events in one chain that cannot be edited, and people who can be erased."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from loopwright.core.clock import SimClock
from loopwright.core.errors import InputError, UnknownName
from loopwright.core.types import Event, Person
from loopwright.store import Store, User, open_store


def claimed(unit: str, owner: str = "p-1", t_ns: int = 1, **more: object) -> Event:
    return Event("unit.claimed", unit, t_ns, "console", {"owner": owner}, **more)  # type: ignore[arg-type]


def test_an_event_comes_back_with_what_the_store_adds(store: Store, clock: SimClock) -> None:
    first, second = store.record([claimed("u-1"), claimed("u-2", because=("order-7",))])
    assert (first.known_ns, second.known_ns) == (clock.now_ns(), clock.now_ns() + 1)
    assert first.id
    assert first.id != second.id
    assert store.recall() == [first, second]
    assert store.recall(because="order-7") == [second]


def test_the_hash_can_be_computed_by_anybody(store: Store) -> None:
    """By hand, as docs/decisions/0002 says it."""
    event = store.record([claimed("u-1", "Zoë", key="k", because=("a", "b"))])[0]
    text = json.dumps(
        [event.id, "unit.claimed", "u-1", 1, event.known_ns, "console", '{"owner":"Zoë"}', '["a", "b"]', "k"],
        separators=(",", ":"), ensure_ascii=False,
    )
    assert event.hash == sha256(("0" * 64 + text).encode()).hexdigest()


def test_events_are_recalled_by_kind_prefix_about_and_both_times(store: Store, clock: SimClock) -> None:
    store.record([claimed("u-1", t_ns=5), Event("unit.scrapped", "u-2", 6, "gauge", {"order": "o", "reason": "loft"})])
    then_ns = clock.now_ns() + 1
    clock.set_ns(then_ns + 100)
    store.record([Event("alarm.acknowledged", "a-1", 7, "erika"), claimed("u-3", t_ns=8)])
    def about(**query: object) -> list[str]:
        return [event.about for event in store.recall(**query)]  # type: ignore[arg-type]
    assert about(kind="unit.claimed") == ["u-1", "u-3"]
    assert about(kind="unit.") == ["u-1", "u-2", "u-3"]
    assert about(kind=["alarm.", "unit.scrapped"]) == ["u-2", "a-1"]
    assert about(kind=[]) == []
    assert about(about=["u-3", "a-1"]) == ["a-1", "u-3"]
    assert about(start_ns=6, end_ns=8) == ["u-2", "a-1"]
    assert about(known_by_ns=then_ns) == ["u-1", "u-2"]
    assert about(newest_first=True, limit=2) == ["u-3", "a-1"]


def test_the_same_key_gives_the_event_that_was_first(store: Store) -> None:
    first = store.record([claimed("u-1", key="code-9")])[0]
    again = store.record([claimed("u-2", "somebody else", key="code-9"), claimed("u-3", key="code-10"), claimed("u-4", key="code-10")])
    assert again[0] == first
    assert again[1] == again[2]
    assert len(store.recall()) == 2
    other_kind = store.record([Event("unit.scrapped", "u-1", 1, "gauge", {"order": "o", "reason": "r"}, key="code-9")])[0]
    assert other_kind.id != first.id


def test_an_event_of_an_unknown_kind_or_without_its_fields_records_nothing(store: Store) -> None:
    with pytest.raises(UnknownName, match=r"unit\.claimed"):
        store.record([claimed("u-1"), Event("unit.claimd", "u-1", 1, "x", {"owner": "p"})])
    with pytest.raises(InputError, match="lacks owner"):
        store.record([Event("unit.claimed", "u-1", 1, "x")])
    with pytest.raises(InputError, match="cannot be written as JSON"):
        store.record([claimed("u-1"), Event("unit.claimed", "u-1", 1, "x", {"owner": float("nan")})])
    assert store.recall() == []


def test_bodies_may_hold_what_the_rooms_compute(store: Store) -> None:
    body = {"owner": np.int64(3), "loft": np.float32(0.5), "list": np.arange(2), "person": Person("p", {"stature": 1.8}), "pair": (1, 2)}
    event = store.record([Event("unit.claimed", "u", 1, "x", body)])[0]
    assert event.body["owner"] == 3
    assert event.body["list"] == [0, 1]
    assert event.body["person"]["measures"] == {"stature": 1.8}
    assert store.recall() == [event]


def test_an_id_may_be_given_once(store: Store) -> None:
    assert store.record([claimed("u-1", id="mine")])[0].id == "mine"
    with pytest.raises(InputError, match="'mine' is taken"):
        store.record([claimed("u-2", id="mine")])
    with pytest.raises(InputError, match="is taken"):
        store.record([claimed("u-2", id="two"), claimed("u-3", id="two")])


def test_known_ns_of_events_and_points_is_one_sequence(tmp_path: Path) -> None:
    clock = SimClock()
    with open_store(tmp_path, clock) as store:
        first = store.record([claimed("u-1")])[0]
        clock.set_ns(0)
        store.note_sent("mqtt", "m", 1)
        assert store.record([claimed("u-2")])[0].known_ns == first.known_ns + 2
    with open_store(tmp_path, clock) as store:
        assert store.record([claimed("u-3")])[0].known_ns == first.known_ns + 3


def test_a_changed_event_breaks_the_chain_where_it_stands(store: Store) -> None:
    store.record([claimed(f"u-{i}") for i in range(5)])
    whole = store.events.verify()
    assert (whole.length, whole.broken_at, whole.head) == (5, None, store.events.head())
    database = sqlite3.connect(store.path / "events.sqlite")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        database.execute("UPDATE events SET actor = 'nobody' WHERE number = 3")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        database.execute("DELETE FROM events WHERE number = 3")
    database.execute("DROP TRIGGER events_no_UPDATE")
    database.execute("UPDATE events SET actor = 'nobody' WHERE number = 3")
    database.commit()
    broken = store.events.verify()
    assert (broken.length, broken.broken_at) == (2, 3)
    assert "event 3 (unit.claimed about u-2) was changed" in broken.why
    database.execute("DROP TRIGGER events_no_DELETE")
    database.execute("DELETE FROM events WHERE number = 2")
    database.commit()
    database.close()
    assert store.events.verify().why == "event 2 is missing"


def test_a_thousand_events_are_recorded_in_one_transaction(store: Store) -> None:
    recorded = store.record([claimed(f"u-{i}", key=f"k-{i}", because=("o",)) for i in range(1000)])
    assert len({event.id for event in recorded}) == 1000
    assert store.events.verify().length == 1000


def test_a_person_is_kept_found_and_erased_from_the_file(store: Store) -> None:
    people = [Person(f"p-{i}", {"stature": 1.6 + i / 100}, "left" if i % 3 == 0 else "right", source="ansur2") for i in range(6)]
    odd = Person("p-odd", {"hand_length": 0.1914062537}, consents={"coach": 99}, source="counter", group="female")
    assert store.people.save([*people, odd]) == 7
    assert store.people.person("p-odd") == odd
    assert [p.id for p in store.people.find(handedness="left", source="ansur2")] == ["p-0", "p-3"]
    assert len(store.people.find(limit=2)) == 2
    store.people.save(dataclasses.replace(odd, group="male"))
    assert store.people.person("p-odd").group == "male"
    store.people.save_user(User("otto", "owner", "scrypt$x", person="p-odd"))
    assert store.people.erase("p-odd")
    assert not store.people.erase("p-odd")
    assert store.people.users() == {}
    with pytest.raises(UnknownName, match="there is no 'p-odd'"):
        store.people.person("p-odd")
    for path in store.path.glob("events.sqlite*"):
        assert b"0.1914062537" not in path.read_bytes()
        assert b"scrypt$x" not in path.read_bytes()


def test_a_token_belongs_to_a_user_until_either_goes(store: Store) -> None:
    store.people.save_user(User("erika", "engineer", "scrypt$salt$hash"))
    store.people.add_token("erika", "hash-1", "tablet")
    store.people.add_token("erika", "hash-2")
    assert store.people.user_of("hash-1") == User("erika", "engineer", "scrypt$salt$hash")
    assert store.people.user_of("hash-9") is None
    assert store.people.remove_token("hash-1")
    assert store.people.user_of("hash-1") is None
    assert store.people.remove_user("erika")
    assert store.people.user_of("hash-2") is None
    with pytest.raises(UnknownName, match="user"):
        store.people.add_token("erika", "hash-3")
