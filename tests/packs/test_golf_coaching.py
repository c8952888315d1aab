"""Coaching and views of golf: histories from stored points, consent, real golfers, plain data for the pages."""

import math

import numpy as np
import pyarrow as pa
import pytest

from loopwright.core.pack import ImportOptions
from loopwright.core.types import Event, Thing
from loopwright.packs.golf import PACK
from loopwright.packs.golf.coaching import coach, features, history_of
from loopwright.packs.golf.sheets import Point, points_table
from loopwright.packs.golf.swings import read_swings

DEG = math.pi / 180
NOW_NS = 2_000_000_000 * 10**9
CONSENT = Event("consent.given", "anna", 1, "anna", {"purpose": "coaching", "until_ns": NOW_NS * 2})


def shots(count=120, seed=1, tie=0.0):
    """Shots of a club whose deviation grows with the face angle by `tie`."""
    rng, points = np.random.default_rng(seed), []
    for i in range(count):
        face = rng.normal(0, 3)
        values = {"face.angle": face, "attack.angle": rng.normal(-3, 1), "club.path": rng.normal(0, 3),
                  "carry.deviation.angle": tie * face + rng.normal(0, 1.0)}
        points += [Point("club-1", name, i * 60 * 10**9, 0, value * DEG) for name, value in values.items()]
        points.append(Point("club-1", "club.type", i * 60 * 10**9, 0, None, 27))
    return points_table(points)


def test_a_history_has_a_row_a_shot_and_columns_for_what_was_heard():
    history = history_of("anna", shots(40))
    assert history.values.shape == (40, 3)
    assert {f.signal for f in history.features} == {"face.angle", "attack.angle", "club.path"}
    assert history.unit == "rad"
    assert (np.diff(history.t_ns) > 0).all()
    assert history.controls.shape == (40, 0)  # one club is no control


def test_both_views_of_a_swing_are_one_shot_and_gaps_are_no_values():
    points = [
        Point("g", "view", 5, 0, None, 0), Point("g", "view", 5, 1, None, 1),
        Point("g", "carry.deviation.angle", 5, 0, -0.1), Point("g", "carry.deviation.angle", 5, 1, -0.1),
        Point("g", "impact.hip.line", 5, 1, 0.2), Point("g", "impact.left.arm.angle", 5, 0, 2.8),
        Point("g", "top.hip.shifted", 5, 0, None, None, 2),
    ]
    history = history_of("anna", points_table(points))
    assert history.cost.tolist() == pytest.approx([0.1])
    assert {f.label for f in history.features} == {"hip line at impact, down the line", "left arm angle at impact, face on"}
    apart = history_of("anna", points_table([Point("c", "carry.deviation.angle", 5, n, 0.1 * n) for n in range(3)]))
    assert len(apart.cost) == 3  # shots of one second with a club are three


def test_without_directions_distance_is_looked_at():
    points = [Point("c", "carry", i, 0, 100.0 + i) for i in range(5)] + [Point("c", "attack.angle", i, 0, 0.1) for i in range(5)]
    history = history_of("anna", points_table(points))
    assert (history.unit, history.cost.tolist()) == ("m", [2.0, 1.0, 0.0, 1.0, 2.0])


def test_nothing_is_looked_at_without_consent_and_advice_comes_with_it():
    things = [Thing("club-1", "club", owner="anna")]
    table = shots(tie=0.9)
    _, refused, _ = coach("anna", things, table, [], [], NOW_NS)
    assert refused[0].abstains == "no consent to coaching is given"
    assert refused[0].because == ()
    _, said, _ = coach("anna", things, table, [], [CONSENT], NOW_NS)
    assert said[0].body["feature"] == "face.angle"
    assert said[0].body["change"] == "less"
    assert said[0].unit == "rad"
    withdrawn = Event("consent.withdrawn", "anna", 2, "anna", {"purpose": "coaching"})
    assert coach("anna", things, table, [], [CONSENT, withdrawn], NOW_NS)[1][0].abstains


def test_what_was_assumed_stands_in_the_decision():
    things = [Thing("club-1", "club", owner="anna", labels={"assumed": "owner"})]
    said = coach("anna", things, shots(tie=0.9), [], [CONSENT], NOW_NS)[1][0]
    assert "owner" in said.body["assumed"]
    assert "assumed" in said.because[0].note


def test_no_shots_is_a_history_of_none():
    empty = shots(1).slice(0, 0)
    assert len(history_of("anna", empty).cost) == 0
    assert "0 shots" in coach("anna", [], empty, [], [CONSENT], NOW_NS)[1][0].abstains
    assert len({(f.signal, f.label) for f, _ in features()}) == len(features())


def test_real_golfers_get_one_thing_or_silence(shared_data):
    table = read_swings(shared_data / "golf_caddieset" / "caddieset_dev.csv.gz", ImportOptions()).table
    spoken = 0
    for golfer in range(1, 6):
        mine = table.filter(pa.compute.equal(table["thing"], f"golfer-{golfer}"))
        consent = Event("consent.given", "anna", 1, "anna", {"purpose": "coaching", "until_ns": NOW_NS * 2})
        _, said, _ = coach("anna", [], mine, [], [consent], NOW_NS)
        print(f"golfer {golfer}: {said[0].says or said[0].abstains}")
        assert len(said) == 1
        spoken += bool(said[0].says)
        if said[0].says:
            assert said[0].low > 0
            assert said[0].body["looked_at"] > 30
    assert 0 < spoken < 5


def test_the_views_are_plain_data():
    table = points_table([
        Point("c", name, i * 10**9, 0, value)
        for i in range(24) for name, value in (
            ("carry", 120.0 + i % 5), ("carry.deviation", (-1) ** i * 4.0), ("carry.deviation.angle", (-1) ** i * 0.03))])
    seen = PACK.views["dispersion"](table)
    assert len(seen["shots"]) == 24
    assert seen["centre"]["side"] == pytest.approx(0, abs=0.4)
    assert seen["ellipse"]["long_m"] > seen["ellipse"]["short_m"] > 0
    trend = PACK.views["trend"](table)
    assert [row["last"] for row in trend["rows"]] == [10, 20]
    assert all(row["low"] <= row["value"] <= row["high"] for row in trend["rows"])
    card = PACK.views["spec_card"]([
        {"name": "lie", "value": math.radians(63.5), "unit": "rad", "rule": "lie@r0"},
        {"name": "swing_weight", "value": -1.0, "unit": "swingweight"}, {"name": "length", "value": 0.9525, "unit": "m"}])
    assert [row[3] for row in card["rows"]] == ["blue", "C9.0", "+0.5 in"]
    charts = PACK.views["chart_position"]({"stature": 1.778, "wrist_height": 0.83})["charts"]
    assert all(c["low"] < c["value"] < c["high"] for c in charts)
