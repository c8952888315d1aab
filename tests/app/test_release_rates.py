"""Over two hundred seeded turns of the golf pack: what is not there is not released, what is there is, and the next orders do better."""

import numpy as np
import pytest

from benchmarks.bench_release_rates import GolfTurn, rates
from loopwright.core.kinds import check


def test_a_seeded_golf_turn_speaks_events_that_the_store_takes():
    turn = GolfTurn(3, 1.0)
    turn.run()
    for event in turn.events:
        check(event)


@pytest.mark.slow
def test_at_most_five_in_a_hundred_turns_release_when_the_charts_are_right():
    found = rates(0.0, 200)
    assert found["rate"] <= 0.05, found


@pytest.mark.slow
def test_at_least_eighty_in_a_hundred_turns_release_what_the_golfers_need_and_the_next_orders_do_better():
    found = rates(1.0, 200)
    assert found["rate"] >= 0.80, found
    assert found["gain_deg"] > 3 * found["gain_se_deg"] > 0, found
    assert found["better"] > 0.5, found
    assert np.isfinite(found["step_deg"])
