"""Scoring in columns finds what a plain loop over predictions finds: late, corrected, bad and missing values, restarts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from loopwright.core.clock import NS_PER_S, SimClock
from loopwright.core.types import BAD, POINTS_IN, Batch, Kind, Prediction, Signal, Thing
from loopwright.learn.kept import scoring
from loopwright.learn.kept.outcomes import WITHIN_NS, Asked, Outcome, points_of
from loopwright.learn.kept.predictions import read, record, score
from loopwright.learn.league import ABSOLUTE
from loopwright.store import Store, open_store

T0, MIN = 1_700_000_000 * NS_PER_S, 60 * NS_PER_S
THINGS = ("belt-1", "belt-2", "belt-3")


def opened(folder: Path, clock: SimClock) -> Store:
    store = open_store(folder, clock)
    signals = tuple(Signal(name, "m/s", "gauge", None, None, None, name) for name in ("speed", "slip"))
    store.declare([Kind("belt", "A belt.", signals)], [Thing(name, "belt") for name in THINGS])
    return store


def heard(store: Store, rows: list[tuple[str, str, int, float, int]]) -> None:
    thing, signal, t_ns, value, quality = zip(*rows, strict=True)
    columns = {"thing": thing, "signal": signal, "t_ns": t_ns, "n": [0] * len(rows), "value": value,
               "code": [None] * len(rows), "quality": quality}
    store.put(Batch("test", "belts", None, pa.table({k: list(v) for k, v in columns.items()}, schema=POINTS_IN)))


def one_by_one(store: Store, asked: list[Asked]) -> dict[Asked, Outcome]:
    """The twin: each prediction by itself, all values of its signal looked through."""
    found = {}
    pairs = {(one.about, one.signal) for one in asked}
    values = {(thing, signal): store.get(things=[thing], signals=[signal]).to_pylist() for thing, signal in pairs}
    for one in asked:
        rows = values[one.about, one.signal]
        good = [row for row in rows if row["quality"] < BAD and one.due_ns - WITHIN_NS <= row["t_ns"] <= one.due_ns]
        if good and max(row["t_ns"] for row in rows) >= one.due_ns:
            found[one] = Outcome(good[-1]["value"], good[-1]["known_ns"])
    return found


def drawn(rng: np.random.Generator, first: int, last: int, n: int) -> list[tuple[str, str, int, float, int]]:
    return [(str(rng.choice(THINGS)), str(rng.choice(["speed", "slip"])), T0 + int(rng.integers(first * 60, last * 60)) * NS_PER_S,
             float(rng.normal()), int(rng.choice([0, 0, 0, BAD]))) for _ in range(n)]


@pytest.mark.parametrize("seed", range(6))
def test_outcomes_in_columns_are_those_of_a_plain_loop(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    with opened(tmp_path / "plant", SimClock(T0 + 900 * MIN)) as store:
        rows = {row[:3]: row for row in drawn(rng, 0, 600, 60)}
        heard(store, list(rows.values()))
        asked = [Asked(str(rng.choice(THINGS)), str(rng.choice(["speed", "slip"])), T0 + int(rng.integers(-60, 700)) * MIN)
                 for _ in range(300)]
        asked += [Asked(row[0], row[1], row[2] + step) for row in rows.values() for step in (-1, 0, 1, WITHIN_NS, WITHIN_NS + 1)]
        asked.append(Asked("belt-9", "speed", T0))
        twin = one_by_one(store, [one for one in asked if one.about in THINGS])
        assert len(twin) > 50
        assert points_of(store)(asked) == twin


@pytest.mark.parametrize("seed", range(3))
def test_looking_often_leaves_what_one_look_at_everything_leaves(tmp_path: Path, seed: int) -> None:
    """Values in order, late ones and restarts in between: what was looked at before is never missed."""
    rng, clock = np.random.default_rng(seed), SimClock(T0)
    folder = tmp_path / "plant"
    store = opened(folder, clock)
    for step in range(8):
        clock.set_ns(T0 + step * 10 * MIN)
        made = [Prediction("m@1", thing, "speed", clock.now_ns(), clock.now_ns() + k * MIN, 0.0, {}, "m/s")
                for thing in THINGS for k in range(1, 15)]
        record(store, "t", made, [1.0] * len(made), ABSOLUTE, outcomes=lambda asked: {})
        clock.set_ns(T0 + (step * 10 + 9) * MIN)
        heard(store, list({row[:3]: row for row in drawn(rng, max(0, step * 10 - 15), step * 10 + 9, 12)}.values()))
        score(store, task="t")
        if step % 3 == 2:
            store.close()
            scoring._MEMORY.clear()
            store = opened(folder, clock)
    table = read(store)
    asked = [Asked(str(a), "speed", int(due)) for a, due in zip(table["about"], table["due_ns"], strict=True)]
    twin = one_by_one(store, asked)
    kept = zip(asked, table["outcome"].tolist(), table["known_ns"].tolist(), strict=True)
    for one, outcome, known_ns in kept:
        expected = twin[one].value if one in twin and twin[one].known_ns > known_ns else None
        assert (None if np.isnan(outcome) else outcome) == expected, one
    assert np.isfinite(table["outcome"]).sum() > 40
    store.close()


def test_what_waits_for_a_day_expires_is_counted_once_and_scored_when_it_comes_after_all(tmp_path: Path) -> None:
    clock = SimClock(T0)
    with opened(tmp_path / "plant", clock) as store:
        made = [Prediction("m@1", "belt-1", "speed", T0, T0 + k * MIN, 0.0, {}, "m/s") for k in (5, 6)]
        record(store, "t", made, [1.0, 1.0], ABSOLUTE)
        clock.set_ns(T0 + 60 * MIN)
        heard(store, [("belt-2", "speed", T0 + 60 * MIN, 0.0, 0)])
        assert score(store, task="t") == {"scored": 0, "changed": 0, "waiting": 2, "leaks": 0, "expired": 0}
        clock.set_ns(T0 + 1500 * MIN)
        heard(store, [("belt-2", "speed", T0 + 1500 * MIN, 0.0, 0)])
        assert score(store, task="t")["expired"] == 2
        assert score(store, task="t")["expired"] == 0
        heard(store, [("belt-1", "speed", T0 + 6 * MIN, 3.0, 0), ("belt-1", "speed", T0 + 4 * MIN, 2.0, 0)])
        assert score(store, task="t")["scored"] == 2
        assert read(store)["outcome"].tolist() == [2.0, 3.0]


def test_a_clock_that_goes_back_scores_nothing_twice(tmp_path: Path) -> None:
    clock = SimClock(T0 + 100 * MIN)
    with opened(tmp_path / "plant", clock) as store:
        record(store, "t", [Prediction("m@1", "belt-1", "speed", T0 + 100 * MIN, T0 + 105 * MIN, 0.0, {}, "m/s")], [1.0], ABSOLUTE)
        clock.set_ns(T0)  # someone set the clock: the journal's own time does not follow
        heard(store, [("belt-1", "speed", T0 + 105 * MIN, 2.0, 0)])
        assert score(store, task="t")["scored"] == 1
        assert score(store, task="t") == {"scored": 0, "changed": 0, "waiting": 0, "leaks": 0, "expired": 0}
        assert read(store)["loss"].tolist() == [2.0]


def test_the_same_outcome_again_changes_nothing_and_a_correction_once(tmp_path: Path) -> None:
    from loopwright.core.types import Event

    clock = SimClock(T0)
    with opened(tmp_path / "plant", clock) as store:
        record(store, "t", [Prediction("m@1", "belt-1", "speed", T0, T0 + MIN, 0.0, {}, "m/s")], [1.0], ABSOLUTE)
        clock.set_ns(T0 + 2 * MIN)
        for _ in range(2):
            heard(store, [("belt-1", "speed", T0 + MIN, 2.0, 0)])
        assert score(store)["scored"] == 1
        heard(store, [("belt-1", "speed", T0 + MIN, 2.0, 0)])
        assert score(store)["changed"] == 0
        event = store.record([Event("points.corrected", "belt-1", T0, "anna", {"reason": "read wrong"})])[0]
        row = pa.table({"thing": ["belt-1"], "signal": ["speed"], "t_ns": [T0 + MIN], "n": [0], "value": [5.0], "code": [None], "quality": [0]}, schema=POINTS_IN)
        store.put(Batch("test", "belts", None, row, correction=event.id))
        assert (score(store)["changed"], score(store)["changed"]) == (1, 0)
        assert read(store)["loss"].tolist() == [5.0]
