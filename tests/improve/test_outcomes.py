"""From shots to one row per unit: mirrored, paired with as-built, honest about what is missing."""

import math

import pyarrow as pa
import pytest

from loopwright.core.errors import InputError
from loopwright.core.types import BAD, DOUBTFUL, GOOD, POINTS_IN
from loopwright.improve.outcomes import Built, Outcome, ShotSignals, as_body, from_body, measure

SIGNALS = ShotSignals("launch.direction", "carry")


def points(rows):
    """rows: (thing, signal, value, quality)"""
    columns = list(zip(*[(t, s, i * 10, 0, v, None, q) for i, (t, s, v, q) in enumerate(rows)], strict=True))
    return pa.table([pa.array(list(c), f.type) for c, f in zip(columns, POINTS_IN, strict=True)], schema=POINTS_IN)


def built(unit, person="p", **more):
    return Built(unit, person, "r0", {"lie": 1.1}, {"lie": 1.0}, **more)


def test_direction_of_a_left_hander_is_mirrored_and_distance_is_against_their_own_median():
    rows = [("u1", "launch.direction", v, GOOD) for v in (0.02, 0.04, -0.01, 0.03, 0.02)]
    rows += [("u2", "launch.direction", v, GOOD) for v in (0.02, 0.04, -0.01, 0.03, 0.02)]
    rows += [("u1", "carry", v, GOOD) for v in (100.0, 110.0, 120.0, 130.0, 140.0)]
    outcomes, left_out = measure(points(rows), [built("u1"), built("u2", "q", handedness="left")], SIGNALS)
    right, left = outcomes
    # hand calculation: mean 0.1 / 5, mean absolute 0.12 / 5, median 120 m
    assert right.outcome["direction_error"] == pytest.approx(0.02)
    assert right.outcome["direction_error_abs"] == pytest.approx(0.024)
    assert left.outcome["direction_error"] == pytest.approx(-0.02)
    assert right.outcome["distance_error"] == pytest.approx(0.0)
    assert right.outcome["distance_error_abs"] == pytest.approx(12.0)
    assert right.spread["distance_error"] == pytest.approx(math.sqrt(250.0))
    assert "distance_error" not in left.outcome
    assert left_out == {}
    assert right.deviation("lie") == pytest.approx(0.1)
    assert right.deviation("loft") is None


def test_distance_is_against_the_target_of_the_person_where_there_is_one():
    rows = [("u1", s, v, GOOD) for s, v in [("launch.direction", 0.0), ("carry", 118.0)] for _ in range(5)]
    (outcome,), _ = measure(points(rows), [built("u1")], SIGNALS, {"p": 120.0})
    assert outcome.outcome["distance_error"] == pytest.approx(-2.0)


def test_bad_values_gaps_and_other_signals_are_left_aside_and_units_without_shots_are_counted():
    rows = [("u1", "launch.direction", 0.01, GOOD)] * 4 + [("u1", "launch.direction", 0.01, DOUBTFUL)]
    rows += [
        ("u1", "launch.direction", 9.0, BAD),
        ("u1", "launch.direction", None, GOOD),
        ("u1", "ball.speed", 50.0, GOOD),
    ]
    rows += [("u2", "launch.direction", 0.01, GOOD)]
    outcomes, left_out = measure(points(rows), [built("u1"), built("u2"), built("u3")], SIGNALS)
    assert [(o.unit, o.shots) for o in outcomes] == [("u1", 5)]
    assert left_out == {"no shots": 1, "fewer than 5 shots": 1}


def test_an_outcome_survives_its_event():
    outcome = Outcome(
        "u", "p", "r1", {"lie": 1.0}, {"lie": 1.1}, {"direction_error": 0.1}, 9, "female/left", True, 5, "o"
    )
    assert from_body("u", as_body(outcome)) == outcome
    with pytest.raises(InputError, match="lacks person"):
        from_body("u", {"as_built": {}, "outcome": {}, "shots": 1})
