"""What follows when the past changes: derived signals, alarms and the effectiveness of a shift, with both versions kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loopwright.app import deriving, serving
from loopwright.app.following import follow
from loopwright.app.plant import Plant, open_plant
from loopwright.app.site import load_site
from loopwright.app.views import alarms as alarm_views
from loopwright.app.watching import watch
from loopwright.core.clock import NS_PER_S, SimClock, from_iso
from loopwright.core.derived import Derived, energy_j
from loopwright.core.errors import InputError
from loopwright.core.types import POINTS_IN, Batch, Event
from loopwright.serve.watch import Episode, Limit, episodes
from loopwright.store.correct import correct, undo

S = NS_PER_S
DAY = from_iso("2026-11-19T00:00:00Z")  # a Thursday
SITE = """
[site]
name = "Follow"
time_zone = "UTC"
folder = "plant"
packs = ["shop_floor"]

[shifts]
hours = ["06:00-14:00"]
days = ["mon", "tue", "wed", "thu", "fri"]

[[machine]]
id = "mill-1"
kind = "mill"
role = "mill"
link = { protocol = "mqtt" }
ideal_cycle_s = 600.0
limits = [{ name = "spindle overloaded", signal = "s.output_power", high = 1000.0 }]
"""
WHO = ("erika", "the transformer was set wrong")


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    (tmp_path / "site.toml").write_text(SITE)
    clock = SimClock(DAY + 7 * 3600 * S)
    with open_plant(load_site(tmp_path / "site.toml"), clock=clock) as opened:
        yield opened


def said(plant: Plant, signal: str, *rows: tuple[int, float | int], **more: Any) -> None:
    """mill-1 says values at seconds of the day."""
    count = len(rows)
    whole = signal in ("machine.state", "part.count")
    table = pa.table({
        "thing": ["mill-1"] * count, "signal": [signal] * count, "t_ns": [DAY + t * S for t, _ in rows], "n": [0] * count,
        "value": [None if whole else float(v) for _, v in rows], "code": [v if whole else None for _, v in rows],
        "quality": [0] * count,
    }, schema=POINTS_IN)
    plant.store.put(Batch("http", "http/mill-1", None, table, **more))


def energy(plant: Plant, known_by_ns: int | None = None) -> dict[int, float]:
    """Second of the day -> energy of its minute; gaps left out."""
    table = plant.store.get(things="mill-1", signals="s.energy", known_by_ns=known_by_ns)
    return {(r["t_ns"] - DAY) // S: r["value"] for r in table.to_pylist() if r["value"] is not None}


H7 = 7 * 3600


def test_energy_is_power_times_the_time_that_was_heard() -> None:
    values = np.array([[[[100.0], [200.0], [999.0]], [[5.0], [5.0], [5.0]]]])  # (B, N, K, C) = (1, 2, 3, 1)
    mask = np.array([[[[True], [True], [False]], [[False], [False], [False]]]])
    joule, there = energy_j(values, mask, 2.0)
    assert joule[0, 0] == 600.0
    assert there.tolist() == [[True, False]]


def test_a_derived_value_follows_late_data_a_correction_and_its_undo(plant: Plant) -> None:
    said(plant, "s.output_power", *((H7 + i, 100.0) for i in range(60) if i != 30), (H7 + 60, 100.0))
    follow(plant)
    assert energy(plant) == {H7: 5900.0}
    said(plant, "s.output_power", (H7 + 30, 400.0))
    follow(plant)
    assert energy(plant) == {H7: 6300.0}
    done = correct(plant.store, "mill-1", "s.output_power", DAY + (H7 + 30) * S, DAY + (H7 + 31) * S, "bad", *WHO)
    follow(plant)
    assert energy(plant) == {H7: 5900.0}
    assert energy(plant, done.known_ns) == {H7: 6300.0}
    (event,) = plant.store.recall(kind="points.recomputed", because=done.event)
    assert (event.actor, event.body["signal"]) == ("service:derive", "s.energy")
    undo(plant.store, done.event, *WHO)
    follow(plant)
    assert energy(plant) == {H7: 6300.0}
    assert follow(plant) == []
    hop = plant.store.hops()["derived"]
    assert (hop.into, hop.out, hop.lost) == (4, 4, 0)  # 5900, 6300, 5900 and 6300 again


def test_a_derived_value_whose_inputs_are_gone_is_a_gap(plant: Plant) -> None:
    said(plant, "s.output_power", *((H7 + i, 100.0) for i in range(121)))
    follow(plant)
    correct(plant.store, "mill-1", "s.output_power", DAY + H7 * S, DAY + (H7 + 60) * S, "gap", *WHO)
    follow(plant)
    assert energy(plant) == {H7 + 60: 6000.0}


def raised(plant: Plant) -> list[str]:
    return [event.about for event in plant.store.recall(kind="alarm.raised")]


def revised(plant: Plant) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(e.about, e.body["verdict"], e.because) for e in plant.store.recall(kind="alarm.revised")]


def test_an_alarm_on_a_value_that_was_wrong_is_withdrawn_and_stands_again_after_an_undo(plant: Plant) -> None:
    now_ns = DAY + (H7 + 1) * S
    said(plant, "s.output_power", (H7, 500.0), (H7 + 1, 5000.0))
    watch(plant, now_ns)
    said(plant, "s.output_power", (H7 + 2, 500.0))
    watch(plant, now_ns + S)
    follow(plant)
    (alarm,) = raised(plant)
    assert revised(plant) == []
    done = correct(plant.store, "mill-1", "s.output_power", now_ns, now_ns + 1, "bad", *WHO)
    follow(plant)
    assert revised(plant) == [(alarm, "withdrawn", (done.event,))]
    back = undo(plant.store, done.event, *WHO)
    follow(plant)
    assert revised(plant)[1:] == [(alarm, "stands", (back.event,))]
    assert raised(plant) == [alarm]  # what was said stays


def test_an_alarm_that_late_data_shows_is_told_as_missed_with_its_time(plant: Plant) -> None:
    said(plant, "s.output_power", (H7, 500.0), (H7 + 9, 500.0))
    watch(plant, DAY + (H7 + 9) * S)
    follow(plant)
    said(plant, "s.output_power", (H7 + 3, 2000.0), (H7 + 4, 2500.0))
    assert watch(plant, DAY + (H7 + 10) * S) == []
    (event,) = follow(plant)
    assert (event.kind, event.body["verdict"]) == ("alarm.revised", "missed")
    assert (event.body["start_ns"], event.body["end_ns"]) == (DAY + (H7 + 3) * S, DAY + (H7 + 9) * S)
    rows = alarm_views.alarms(plant.store.recall(kind=list(alarm_views.KINDS)))
    assert [(row["state"], row["condition"]) for row in rows] == [("returned", "spindle overloaded")]
    assert follow(plant) == []


def test_a_value_marked_bad_raises_no_alarm(plant: Plant) -> None:
    said(plant, "s.output_power", (H7, 5000.0))
    correct(plant.store, "mill-1", "s.output_power", DAY + H7 * S, None, "bad", *WHO)
    assert watch(plant, DAY + (H7 + 1) * S) == []


def test_the_effectiveness_of_a_shift_is_stated_anew_and_the_old_statement_stays(plant: Plant) -> None:
    six = 6 * 3600
    said(plant, "machine.state", (six, 1), (six + 4 * 3600, 0), (six + 8 * 3600, 0))
    said(plant, "part.count", (six, 0), (six + 4 * 3600, 12), (six + 8 * 3600, 12))
    unit = {"order": "o", "measures": {}, "verdict": "good", "attempt": 1}
    step = {"order": "o", "operation": "mill", "machine": "mill-1", "start_ns": 0, "end_ns": 0, "program_hash": "",
            "signals": [], "run": "r", "signals_end_ns": DAY + (six + 60) * S}
    plant.store.record([Event("step.finished", "u-1", DAY, "t", step), Event("unit.measured", "u-1", DAY, "t", unit)])
    window = (DAY + six * S, DAY + (six + 8 * 3600) * S)
    (before,) = serving.effectiveness(plant, [window], plant.clock.now_ns())
    assert before.body["availability"] == 0.5  # 4 of 8 hours active
    follow(plant)
    known_ns = plant.store.recall(kind="decision.made")[-1].known_ns
    done = correct(plant.store, "mill-1", "machine.state", window[0] + 4 * 3600 * S, window[1], "set", *WHO, by="active")
    (event,) = follow(plant)
    after = event.body["decision"]
    assert after["body"]["availability"] == 1.0
    assert after["body"]["replaces"] == before.id
    assert event.because == (done.event,)
    old = plant.store.recall(kind="decision.made", known_by_ns=known_ns)
    assert [e.body["decision"]["id"] for e in old] == [before.id]
    undo(plant.store, done.event, *WHO)
    (event,) = follow(plant)
    assert event.body["decision"]["body"]["availability"] == 0.5
    assert follow(plant) == []


def test_an_episode_lasts_from_the_first_value_beyond_to_the_first_well_within() -> None:
    limit = Limit("hot", "x", high=10.0, deadband=2.0)
    t_ns, value = np.arange(7), np.array([9.0, 11.0, 9.0, 12.0, 8.0, 9.0, 13.0])
    assert episodes(t_ns, value, limit) == [Episode(1, 4, 11.0), Episode(6, None, 13.0)]
    assert episodes(t_ns[:2] + 9, value[3:5], limit, Episode(6, None, 13.0)) == [Episode(6, 10, 13.0)]


def test_a_derived_signal_needs_whole_samples_in_its_window() -> None:
    with pytest.raises(InputError, match="whole samples"):
        Derived("mill", "s.energy", ("s.output_power",), 60.0, 7.0, energy_j)


ROW = st.tuples(st.integers(0, 400), st.integers(1, 50))


@pytest.mark.slow
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROW, min_size=1, max_size=25, unique_by=lambda row: row[0]), order=st.randoms(use_true_random=False),
       looks=st.lists(st.booleans(), min_size=25, max_size=25))
def test_computed_with_late_data_afterwards_equals_computed_as_if_it_had_come_in_time(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, int]], order: Any, looks: list[bool]
) -> None:
    found = []
    mixed = list(rows)
    order.shuffle(mixed)
    for arriving in (sorted(rows), mixed):
        folder = tmp_path_factory.mktemp("p")
        (folder / "site.toml").write_text(SITE)
        with open_plant(load_site(folder / "site.toml"), clock=SimClock(DAY + 7 * 3600 * S)) as plant:
            for look, (t, value) in zip(looks, arriving, strict=False):
                said(plant, "s.output_power", (H7 + t, float(value)))
                if look:
                    follow(plant)
            follow(plant)
            found.append(energy(plant))
            newest = max(t for t, _ in rows)
    assert found[0] == found[1]
    expected: dict[int, float] = {}
    for t, value in rows:
        if (H7 + t) // 60 < (H7 + newest) // 60:
            expected[(H7 + t) // 60 * 60] = expected.get((H7 + t) // 60 * 60, 0.0) + value
    assert found[1] == expected


def test_what_was_derived_is_not_derived_again_when_nothing_came(plant: Plant) -> None:
    said(plant, "s.output_power", *((H7 + i, 100.0) for i in range(130)))
    derived = Derived("mill", "s.energy", ("s.output_power",), 60.0, 1.0, energy_j)
    assert deriving.live(plant.store, derived) == 2
    assert deriving.live(plant.store, derived) == 0
    assert len(plant.store.recall(kind="points.recomputed")) == 0
