"""Where things stand, and who names whom: always what all events together say, kept in the transaction that records."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loopwright.core.clock import SimClock
from loopwright.core.errors import InputError, NotAllowed, UnknownName
from loopwright.core.types import Event
from loopwright.store import Store, open_store
from loopwright.store.state import check, rebuild, state, tally

PLACED = {"person": "p-1", "family": "iron", "wishes": {}, "quantity": 1, "due_ns": 9, "price_minor": 1, "currency": "EUR"}


def placed(order: str, t_ns: int = 1) -> Event:
    return Event("order.placed", order, t_ns, "shop", PLACED)


def step(unit: str, order: str, machine: str = "mill-1", t_ns: int = 2) -> Event:
    body = {"order": order, "operation": "cut", "machine": machine, "start_ns": t_ns - 1, "end_ns": t_ns, "program_hash": "", "signals": [], "run": ""}
    return Event("step.finished", unit, t_ns, machine, body)


def finished(unit: str, order: str, t_ns: int = 3, **more: Any) -> Event:
    return Event("unit.finished", unit, t_ns, "shop", {"order": order, "design": f"d-{order}", "as_built": {"loft": 0.5}, "made_ns": t_ns, **more})


def claimed(unit: str, owner: str, t_ns: int = 4) -> Event:
    return Event("unit.claimed", unit, t_ns, owner, {"owner": owner})


def test_a_unit_stands_where_its_last_event_left_it(store: Store) -> None:
    recorded = store.record([placed("o-1"), step("u-1", "o-1"), finished("u-1", "o-1"), claimed("u-1", "p-9")])
    unit = state(store, "unit", about="u-1", bodies=True)[0]
    assert (unit.kind, unit.status, unit.parent, unit.since_ns, unit.number) == ("unit.claimed", "claimed", "o-1", 4, 4)
    assert unit.known_ns == recorded[3].known_ns
    assert unit.kinds == {"step.finished": 2, "unit.finished": 3, "unit.claimed": 4}
    assert unit.body["owner"] == "p-9"
    assert unit.body["machine"] == "mill-1"
    assert unit.body["as_built"] == {"loft": 0.5}


def test_a_later_field_lies_over_an_earlier_one(store: Store) -> None:
    store.record([step("u-1", "o-1", "mill-1"), finished("u-1", "o-1", operation="checked"), step("u-1", "o-1", "mill-2")])
    assert state(store, "unit", bodies=True)[0].body["operation"] == "cut"
    store.record([finished("u-1", "o-1", operation="checked")])
    body = state(store, "unit", bodies=True)[0].body
    assert (body["operation"], body["machine"]) == ("checked", "mill-2")


def test_an_order_moves_with_its_units_even_when_their_event_does_not_name_it(store: Store) -> None:
    store.record([placed("o-1"), placed("o-2"), finished("u-1", "o-1")])
    store.record([claimed("u-1", "p-1")])
    assert [(one.about, one.kind) for one in state(store, "order")] == [("o-1", "unit.claimed"), ("o-2", "order.placed")]
    assert tally(store, "order") == {"unit.claimed": 1, "order.placed": 1}
    assert [one.about for one in state(store, "unit", parent="o-1")] == ["u-1"]
    assert state(store, "order", status="unit.claimed")[0].about == "o-1"
    assert state(store, "order", status="placed")[0].about == "o-2"


def test_what_is_recorded_last_counts_whenever_it_was_true(store: Store) -> None:
    store.record([claimed("u-1", "p-2", t_ns=50), claimed("u-1", "p-1", t_ns=20)])
    unit = state(store, "unit", bodies=True)[0]
    assert (unit.since_ns, unit.body["owner"]) == (20, "p-1")


def test_pages_of_a_list_hold_everything_once_the_last_to_move_first(store: Store) -> None:
    store.record([claimed(f"u-{i}", "p") for i in range(25)])
    store.record([claimed("u-3", "q")])
    pages, before = [], None
    while page := state(store, "unit", limit=10, before=before):
        pages.append([one.about for one in page])
        before = page[-1].number
    assert [len(page) for page in pages] == [10, 10, 5]
    assert [name for page in pages for name in page] == ["u-3", *(f"u-{i}" for i in range(24, -1, -1) if i != 3)]


def test_an_event_that_is_recorded_again_moves_nothing(store: Store) -> None:
    one = Event("unit.claimed", "u-1", 1, "p", {"owner": "p"}, key="claimed/u-1")
    store.record([one])
    store.record([finished("u-1", "o-1"), one])
    assert state(store, "unit")[0].kind == "unit.finished"


def test_a_batch_that_is_refused_leaves_state_and_links_as_they_were(store: Store) -> None:
    store.record([claimed("u-1", "p", t_ns=1)])
    before = state(store, "unit")
    with pytest.raises(InputError, match="is taken"):
        store.record([finished("u-1", "o-1"), Event("unit.claimed", "u-2", 1, "p", {"owner": "p"}, id=store.recall()[0].id)])
    assert state(store, "unit") == before
    assert store.recall(mentions="o-1") == []
    assert check(store) == []


def test_a_noun_that_nothing_is_said_of_is_named(store: Store) -> None:
    with pytest.raises(UnknownName, match=r"unit"):
        state(store, "units")
    with pytest.raises(UnknownName):
        tally(store, "zebra")


KINDS: list[Callable[[str, str, int], Event]] = [
    lambda unit, order, t: placed(order or "o-3", t),
    lambda unit, order, t: step(unit, order, f"m-{t % 2}", t),
    lambda unit, order, t: finished(unit, order, t),
    lambda unit, order, t: claimed(unit, f"p-{t % 3}", t),
    lambda unit, order, t: Event("alarm.acknowledged", unit, t, "p"),
    lambda unit, order, t: Event("outcome.measured", unit, t, "p", {"outcome": {}, "as_built": {}}),
]
one_event = st.builds(lambda make, unit, order, t: make(unit, order, t), st.sampled_from(KINDS), st.sampled_from(["u-1", "u-2", "u-3"]), st.sampled_from(["o-1", "o-2", ""]), st.integers(0, 9))


def plain_fold(events: list[Event]) -> dict[tuple[str, str], tuple[str, str, int, tuple[tuple[str, int], ...]]]:
    """Written by hand for the kinds above: (parent, last kind, number, last number of each kind) of every noun and id."""
    nouns = {"order.placed": "order", "step.finished": "unit", "unit.finished": "unit", "unit.claimed": "unit", "alarm.acknowledged": "alarm", "outcome.measured": "outcome"}
    orders: dict[str, str] = {}
    history: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for number, event in enumerate(events, 1):
        noun = nouns[event.kind]
        history.setdefault((noun, event.about), []).append((event.kind, number))
        if noun == "unit":
            orders.setdefault(event.about, str(event.body["order"])) if event.body.get("order") else None
            if orders.get(event.about):
                history.setdefault(("order", orders[event.about]), []).append((event.kind, number))
    return {
        key: (orders.get(key[1], "") if key[0] == "unit" else "", *moves[-1], tuple(sorted(dict(moves).items())))
        for key, moves in history.items()
    }


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(one_event, min_size=1, max_size=6), min_size=1, max_size=5))
def test_state_is_the_fold_of_all_events_however_they_were_batched(batches: list[list[Event]], tmp_path_factory: pytest.TempPathFactory) -> None:
    with open_store(tmp_path_factory.mktemp("plant"), SimClock()) as store:
        for batch in batches:
            store.record(batch)
        found = {
            (noun, one.about): (one.parent, one.kind, one.number, tuple(sorted(one.kinds.items())))
            for noun in ("order", "unit", "alarm", "outcome") for one in state(store, noun, limit=None)
        }
        assert found == plain_fold([event for batch in batches for event in batch])
        assert check(store) == []


def test_a_state_that_was_tampered_with_is_found_and_made_again(store: Store) -> None:
    store.record([placed("o-1"), finished("u-1", "o-1"), claimed("u-1", "p-1")])
    before = state(store, "unit"), store.recall(mentions="o-1")
    with store._engine.begin() as connection:
        connection.execute(sa.text("UPDATE states SET kind = 'unit.scrapped' WHERE noun = 'unit'"))
        connection.execute(sa.text("DELETE FROM links WHERE ref = 'o-1'"))
    assert check(store) == ["unit u-1 does not stand as its events say", "event 2 (unit.finished) and o-1 are not linked as its body says"]
    assert rebuild(store) == 3
    assert (state(store, "unit"), store.recall(mentions="o-1")) == before
    assert check(store) == []


def test_who_only_reads_a_plant_cannot_rebuild_it(store: Store, tmp_path: Path) -> None:
    with open_store(tmp_path / "plant", read_only=True) as reader, pytest.raises(NotAllowed):
        rebuild(reader)
