"""Live predictions are kept before their outcome is known, scored once it is, and again when it changes; never twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from loopwright.core.clock import NS_PER_S, SimClock
from loopwright.core.errors import InputError, UnitError
from loopwright.core.types import POINTS_IN, Batch, Event, Kind, Prediction, Signal, Thing
from loopwright.learn.kept import predictions
from loopwright.learn.kept.predictions import Asked, Outcome, read, record, score
from loopwright.learn.league import ABSOLUTE, BRIER, standings
from loopwright.learn.splits import LeakError
from loopwright.store import Store, open_store

T0 = 1_700_000_000 * NS_PER_S
MIN = 60 * NS_PER_S
SPEED = Signal("speed", "m/s", "gauge", 1.0, None, None, "How fast it is.")


@pytest.fixture
def clock() -> SimClock:
    return SimClock(T0)


@pytest.fixture
def store(tmp_path: Path, clock: SimClock) -> Iterator[Store]:
    with open_store(tmp_path / "plant", clock) as opened:
        opened.declare([Kind("belt", "A belt.", (SPEED,))], [Thing("belt-1", "belt", owner="p-1"), Thing("belt-2", "belt")])
        yield opened


def heard(store: Store, t_ns: int, value: float | None, thing: str = "belt-1", correction: str = "") -> None:
    row = {"thing": [thing], "signal": ["speed"], "t_ns": [t_ns], "n": [0], "value": [value], "code": [None], "quality": [0]}
    store.put(Batch("test", "belt", None, pa.table(row, schema=POINTS_IN), correction=correction))


def said(due_min: int, median: float = 2.0, made_min: int = 0, thing: str = "belt-1", model: str = "forecast/naive@1", unit: str = "m/s") -> Prediction:
    return Prediction(model, thing, "speed", T0 + made_min * MIN, T0 + due_min * MIN, median, {0.05: median - 1, 0.95: median + 1}, unit)


def test_a_prediction_is_scored_against_its_outcome_and_the_baseline_once_it_is_known(store: Store, clock: SimClock) -> None:
    assert record(store, "forecast", [said(5)], [4.0], ABSOLUTE)["stored"] == 1
    assert score(store) == {"scored": 0, "changed": 0, "waiting": 1, "leaks": 0, "expired": 0}
    clock.set_ns(T0 + 6 * MIN)
    heard(store, T0 + 4 * MIN, 2.5)
    assert score(store)["scored"] == 0, "a value of minute 5 may still come"
    heard(store, T0 + 6 * MIN, 9.0)
    assert score(store)["scored"] == 1
    row = {name: column[0] for name, column in read(store).items()}
    assert (row["model"], row["task"], row["about"], row["signal"], row["unit"]) == ("forecast/naive@1", "forecast", "belt-1", "speed", "m/s")
    assert (row["made_ns"], row["due_ns"], row["level"]) == (T0, T0 + 5 * MIN, pytest.approx(0.9))
    assert (row["median"], row["low"], row["high"], row["baseline"]) == (2.0, 1.0, 3.0, 4.0)
    assert (row["outcome"], row["loss"], row["baseline_loss"]) == (2.5, 0.5, 1.5)


def test_the_same_again_changes_nothing(store: Store, clock: SimClock) -> None:
    record(store, "forecast", [said(5), said(6)], [4.0, 4.0], ABSOLUTE)
    assert record(store, "forecast", [said(5), said(6)], [4.0, 4.0], ABSOLUTE) == {"stored": 0, "duplicate": 2}
    clock.set_ns(T0 + 9 * MIN)
    for minute in (5, 6, 9):
        heard(store, T0 + minute * MIN, 2.0)
    assert score(store)["scored"] == 2
    before = store.get(things=["prediction/forecast/naive@1/belt-1/speed"])
    assert score(store) == {"scored": 0, "changed": 0, "waiting": 0, "leaks": 0, "expired": 0}
    assert record(store, "forecast", [said(5), said(6)], [4.0, 4.0], ABSOLUTE)["stored"] == 0, "after the outcome is known, too"
    assert store.get(things=["prediction/forecast/naive@1/belt-1/speed"]).equals(before)


def test_a_prediction_of_what_is_known_already_is_a_leak_and_nothing_is_kept(store: Store, clock: SimClock) -> None:
    clock.set_ns(T0 + 9 * MIN)
    heard(store, T0 + 5 * MIN, 2.0)
    with pytest.raises(LeakError, match="1 outcomes were known"):
        record(store, "forecast", [said(5), said(20)], [4.0, 4.0], ABSOLUTE)
    assert len(read(store)["due_ns"]) == 0


def test_a_prediction_that_the_plant_heard_of_after_its_outcome_is_never_scored(store: Store) -> None:
    """Who says 'made an hour ago' is not believed: the journal's own time counts."""
    record(store, "forecast", [said(5)], [4.0], ABSOLUTE, outcomes=lambda asked: {})
    known_before = {Asked("belt-1", "speed", T0 + 5 * MIN): Outcome(2.0, T0 - 1)}
    assert score(store, lambda asked: known_before) == {"scored": 0, "changed": 0, "waiting": 0, "leaks": 1, "expired": 0}
    assert np.isnan(read(store)["loss"][0])


def test_a_late_and_a_corrected_outcome_change_the_score_as_a_later_row(store: Store, clock: SimClock) -> None:
    record(store, "forecast", [said(5)], [4.0], ABSOLUTE)
    clock.set_ns(T0 + 7 * MIN)
    heard(store, T0 + 4 * MIN, 2.5)
    heard(store, T0 + 7 * MIN, 2.0)
    score(store)
    first_ns = clock.now_ns()
    clock.set_ns(T0 + 8 * MIN)
    heard(store, T0 + 5 * MIN, 3.0)  # late: nearer to the time that was asked for
    assert score(store)["changed"] == 1
    assert read(store)["loss"][0] == 1.0
    event = store.record([Event("points.corrected", "belt-1", T0, "anna", {"reason": "read wrong"})])[0]
    clock.set_ns(T0 + 9 * MIN)
    heard(store, T0 + 5 * MIN, 6.0, correction=event.id)
    assert score(store)["changed"] == 1
    assert read(store)["loss"][0] == 4.0
    assert read(store)["baseline_loss"][0] == 2.0
    assert read(store, known_by_ns=first_ns + MIN // 2)["loss"][0] == 0.5, "what stood before stays readable"
    assert [e.body["rows"] for e in store.recall(kind="points.recomputed")] == [3, 3]


def test_an_outcome_that_is_taken_back_leaves_a_gap_and_may_come_again(store: Store, clock: SimClock) -> None:
    truth = {Asked("belt-1", "speed", T0 + 5 * MIN): Outcome(2.5, T0 + 6 * MIN)}
    record(store, "forecast", [said(5)], [4.0], ABSOLUTE)
    clock.set_ns(T0 + 6 * MIN)
    score(store, lambda asked: truth)
    clock.set_ns(T0 + 7 * MIN)
    assert score(store, lambda asked: {})["changed"] == 1
    assert np.isnan(read(store)["loss"][0])
    assert score(store, lambda asked: {}) == {"scored": 0, "changed": 0, "waiting": 1, "leaks": 0, "expired": 0}
    clock.set_ns(T0 + 8 * MIN)
    assert score(store, lambda asked: truth)["scored"] == 1
    assert read(store)["loss"][0] == 0.5


def test_an_outcome_that_comes_days_late_is_still_scored(store: Store, clock: SimClock) -> None:
    record(store, "forecast", [said(5), said(6)], [4.0, 4.0], ABSOLUTE)
    clock.set_ns(T0 + 9 * MIN)
    heard(store, T0 + 9 * MIN, 1.0)
    assert score(store)["waiting"] == 2, "it has passed, and nothing was heard before"
    for day in (2, 3):
        clock.set_ns(T0 + day * 1440 * MIN)
        score(store)
    heard(store, T0 + 5 * MIN, 2.5)
    assert score(store) == {"scored": 2, "changed": 0, "waiting": 0, "leaks": 0, "expired": 0}
    assert read(store)["loss"].tolist() == [0.5, 0.5]


def test_new_predictions_are_scored_after_others_were_given_up(store: Store, clock: SimClock) -> None:
    record(store, "forecast", [said(5)], [4.0], ABSOLUTE)
    for day in range(1, 6):
        clock.set_ns(T0 + day * 1440 * MIN)
        score(store)
        record(store, "forecast", [said(day * 1440 + 5, made_min=day * 1440)], [4.0], ABSOLUTE)
        clock.set_ns(T0 + (day * 1440 + 6) * MIN)
        heard(store, T0 + (day * 1440 + 5) * MIN, 2.5)
        assert score(store)["scored"] == 1, day


def test_several_leads_of_one_time_stand_side_by_side(store: Store) -> None:
    made = [said(60, float(i), made_min=i * 7) for i in range(9)]
    late = [Prediction("forecast/naive@1", "belt-1", "speed", T0 + 70 * MIN, T0 + 60 * MIN, 9.0, {}, "m/s")]
    record(store, "forecast", made + late, [0.0] * 10, ABSOLUTE)
    table = read(store)
    order = np.argsort(table["made_ns"])
    assert table["made_ns"][order].tolist() == [T0 + i * 7 * MIN for i in range(9)] + [T0 + 70 * MIN]
    assert table["median"][order].tolist() == [*map(float, range(9)), 9.0]


def test_another_answer_within_the_same_second_is_refused(store: Store) -> None:
    record(store, "forecast", [said(5, 2.0)], [4.0], ABSOLUTE)
    with pytest.raises(InputError, match=r"said 2 of speed of belt-1 before, and 2\.25 now"):
        record(store, "forecast", [said(5, 2.25)], [4.0], ABSOLUTE)
    assert read(store)["median"].tolist() == [2.0]


def test_numbers_that_are_none_and_quantiles_that_cross_are_refused(store: Store) -> None:
    bad = Prediction("m", "belt-1", "speed", T0, T0 + MIN, float("nan"), {}, "m/s")
    with pytest.raises(InputError, match="finite"):
        record(store, "forecast", [bad], [1.0], ABSOLUTE)
    with pytest.raises(InputError, match="cross"):
        record(store, "forecast", [Prediction("m", "belt-1", "speed", T0, T0 + MIN, 1.0, {0.05: 3.0, 0.95: 2.0}, "m/s")], [1.0], ABSOLUTE)
    with pytest.raises(InputError, match=r"quantile 0\.33"):
        record(store, "forecast", [Prediction("m", "belt-1", "speed", T0, T0 + MIN, 1.0, {0.33: 3.0}, "m/s")], [1.0], ABSOLUTE)
    with pytest.raises(UnitError):
        record(store, "forecast", [Prediction("m", "belt-1", "speed", T0, T0 + MIN, 1.0, {}, "mph")], [1.0], ABSOLUTE)
    for median, base in ((1.2, 0.5), (0.5, -0.1)):
        with pytest.raises(InputError, match="probabilities"):
            record(store, "wear", [Prediction("m", "belt-1", "speed", T0, T0 + MIN, median, {}, "1")], [base], BRIER)
    with pytest.raises(InputError, match="one for each"):
        record(store, "forecast", [said(5)], [], ABSOLUTE)
    with pytest.raises(InputError, match="fifteen years"):
        predictions.lead_number(0, 20 * 365 * 86_400 * NS_PER_S)
    assert len(read(store)["due_ns"]) == 0


def test_predictions_about_somebodys_thing_belong_to_the_same_person(store: Store) -> None:
    record(store, "forecast", [said(5)], [4.0], ABSOLUTE)
    assert store.things()["prediction/forecast/naive@1/belt-1/speed"].owner == "p-1"


def test_the_league_stands_on_what_was_scored(store: Store, clock: SimClock) -> None:
    truth: dict[Asked, Outcome] = {}
    for model, off in (("forecast/good@1", 0.1), ("forecast/bad@2", 3.0)):
        rows = [said(m, m % 3 + off, made_min=m - 1, model=model) for m in range(1, 41)]
        record(store, "forecast", rows, [1.0] * 40, ABSOLUTE)
    truth |= {Asked("belt-1", "speed", T0 + m * MIN): Outcome(float(m % 3), T0 + 50 * MIN) for m in range(1, 41)}
    clock.set_ns(T0 + 50 * MIN)
    assert score(store, lambda asked: {one: truth[one] for one in asked})["scored"] == 80
    good, bad = standings(read(store))
    assert (good["model"], good["scored"], good["verdict"].demote) == ("forecast/good@1", 40, False)
    assert good["loss"] == pytest.approx(0.1)
    assert good["coverage"]["share"] == 1.0
    assert (bad["model"], bad["verdict"].demote) == ("forecast/bad@2", True)
    assert bad["coverage"]["wrong"]


def test_probabilities_are_scored_by_brier_and_claim_no_interval(store: Store, clock: SimClock) -> None:
    record(store, "wear", [said(5, 0.8, unit="1")], [0.5], BRIER, outcomes=lambda asked: {})
    clock.set_ns(T0 + 6 * MIN)
    score(store, lambda asked: {asked[0]: Outcome(1.0, T0 + 6 * MIN)})
    assert read(store)["loss"][0] == pytest.approx(0.04)
    assert read(store)["baseline_loss"][0] == pytest.approx(0.25)
    assert standings(read(store))[0]["coverage"] is None


def test_a_plant_without_predictions_has_an_empty_table(store: Store) -> None:
    assert all(len(column) == 0 for column in read(store).values())
    assert standings(read(store)) == []
    assert score(store)["waiting"] == 0


def test_scoring_a_task_leaves_the_others(store: Store, clock: SimClock) -> None:
    record(store, "a", [said(5)], [4.0], ABSOLUTE)
    record(store, "b", [said(5, model="b/x@1")], [4.0], ABSOLUTE)
    clock.set_ns(T0 + 9 * MIN)
    heard(store, T0 + 5 * MIN, 2.0)
    assert score(store, task="b")["scored"] == 1
    assert score(store, task="a")["scored"] == 1
