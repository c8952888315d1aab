"""Twin golfers: reproducible, physical, mirrored, and with an optimum that the charts miss by what the module says."""

import math

import numpy as np
import pyarrow.compute as pc
import pytest

from loopwright.core.clock import monotonic_s
from loopwright.core.errors import InputError
from loopwright.core.types import POINTS_IN, Person
from loopwright.make.fit import fit, load_rules
from loopwright.packs.golf import PACK, golfer
from loopwright.packs.golf.golfer import OFFSET_DEG, Golfers, Session
from loopwright.packs.golf.questions import LIE
from loopwright.packs.golf.signals import CLUB

RULES = load_rules(PACK.rules)
START_NS = 1_760_000_000 * 10**9


def people(count, hand="right", seed=3):
    rng = np.random.default_rng(seed)
    stature = rng.normal(1.72, 0.08, count).clip(1.5, 1.95)
    return [
        Person(f"p{i}", {"stature": s, "wrist_height": 0.4847 * s, "hand_length": 0.108 * s}, hand)
        for i, s in enumerate(stature)]


def built(person, **changes):
    values = {p.name: p.value for p in fit(RULES, person.measures, {}, PACK.formulas)}
    return {k: v + changes.get(k, 0.0) for k, v in values.items() if not isinstance(v, str)}


def mean_direction_deg(golfers, crowd, signal="launch.direction", count=20, **changes):
    table = golfers.sessions([Session(p, built(p, **changes), count, START_NS) for p in crowd])
    return math.degrees(pc.mean(table.filter(pc.field("signal") == signal)["value"]).as_py())


def test_shots_are_points_of_a_club_that_can_be_true():
    crowd = people(12)
    table = Golfers(1).sessions([Session(p, built(p), 30, START_NS) for p in crowd])
    assert table.schema == POINTS_IN
    for signal in set(table["signal"].to_pylist()):
        declared, mine = CLUB.signal(signal), table.filter(pc.field("signal") == signal)
        assert mine.num_rows == 360
        if declared.kind == "gauge":
            low, high = pc.min(mine["value"]).as_py(), pc.max(mine["value"]).as_py()
            assert declared.low <= low <= high <= declared.high
        else:
            assert set(mine["code"].to_pylist()) <= set(declared.codes)


def test_the_same_seed_person_visit_and_club_give_the_same_shots():
    person = people(1)[0]
    one, other = (Golfers(5).shots(person, built(person), 20, START_NS) for _ in range(2))
    assert one.equals(other)
    assert set(one["thing"].to_pylist()) == {"p0"}
    assert not one.equals(Golfers(5).shots(person, built(person), 20, START_NS, visit=1))
    assert not one.equals(Golfers(6).shots(person, built(person), 20, START_NS))


def test_a_visit_at_another_time_gives_the_same_shots_and_another_unit_others():
    person, golfers = people(1)[0], Golfers(5)

    def values(thing, start_ns):
        return golfers.play([(person, built(person), thing)], 20, start_ns)["value"].drop_null().to_numpy()

    assert np.array_equal(values("o-1-1", START_NS), values("o-1-1", START_NS + 3_600 * 10**9))
    assert not np.isclose(values("o-1-1", START_NS), values("o-2-1", START_NS)).all()
    later = golfers.play([(person, built(person), "o-1-1")], 20, START_NS + 7)["t_ns"].to_numpy()
    assert later.min() == START_NS + 7


def test_many_sessions_at_once_are_the_same_as_one_by_one():
    crowd, golfers = people(3), Golfers(2)
    together = golfers.sessions([Session(p, built(p), 5, START_NS) for p in crowd])
    for person in crowd:
        alone = golfers.shots(person, built(person), 5, START_NS)
        mine = together.filter(pc.field("thing") == person.id)
        assert np.allclose(mine["value"].drop_null().to_numpy(), alone["value"].drop_null().to_numpy(), rtol=1e-9)


@pytest.mark.slow
def test_on_average_the_chart_misses_by_the_stated_range_and_with_no_effect_by_nothing():
    crowd = people(150)
    for seed in range(8):
        missed = abs(mean_direction_deg(Golfers(seed), crowd))
        low, high = (offset * abs(LIE.slope) for offset in OFFSET_DEG)
        assert low - 0.25 < missed < high + 0.25
        assert abs(mean_direction_deg(Golfers(seed, effect=0.0), crowd)) < 0.2


def test_both_signs_of_the_offset_are_drawn():
    crowd = people(40)
    signs = {np.sign(mean_direction_deg(Golfers(seed), crowd)) for seed in range(10)}
    assert signs == {-1.0, 1.0}


def test_a_degree_more_lie_turns_the_start_left_by_what_the_stated_mechanism_says():
    crowd, golfers = people(60), Golfers(4)
    change = mean_direction_deg(golfers, crowd, lie=math.radians(1)) - mean_direction_deg(golfers, crowd)
    assert change == pytest.approx(LIE.slope, rel=0.02)
    assert LIE.slope == pytest.approx(-0.75 * math.tan(math.radians(34)))


def test_left_handers_are_the_mirror_image():
    for signal in ("launch.direction", "carry.deviation", "face.angle", "side.spin"):
        right, left = (mean_direction_deg(Golfers(7), people(20, hand), signal) for hand in ("right", "left"))
        assert left == pytest.approx(-right)


def test_a_club_of_the_wrong_length_scatters_more():
    def spread(**changes):
        person = people(1)[0]
        table = Golfers(9).shots(person, built(person, **changes), 400, START_NS)
        return np.std(table.filter(pc.field("signal") == "launch.direction")["value"].to_numpy())

    assert spread(length=0.05) > 1.2 * spread()
    assert spread(swing_weight=9.0) > 1.2 * spread()


def test_the_hidden_offset_stands_in_no_attribute():
    golfers = Golfers(1)
    assert all(not isinstance(value, float) for value in vars(golfers).values())
    assert "twin" in golfer.__doc__.lower()
    assert "simulated" in golfer.__doc__


def test_what_the_twin_needs_of_the_club_is_named():
    person = people(1)[0]
    with pytest.raises(InputError, match="lie"):
        Golfers(1).shots(person, {"loft": 0.6, "length": 0.94, "swing_weight": 1.0}, 5, START_NS)
    assert Golfers(1).shots(person, {}, 0, START_NS).num_rows == 0


def test_a_hundred_golfers_with_twenty_shots_take_a_fraction_of_a_second():
    crowd = people(100)
    sessions = [Session(p, built(p), 20, START_NS) for p in crowd]
    golfers = Golfers(1)
    golfers.sessions(sessions[:2])
    began_s = monotonic_s()
    golfers.sessions(sessions)
    took_s = monotonic_s() - began_s
    print(f"100 golfers x 20 shots: {took_s:.3f} s")
    assert took_s < 30.0  # 0.2 s on an idle machine
