"""Which channel an alarm comes from, in a made-up plant where it is known: eight channels, each a known number of rows
behind the one that feeds it."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.errors import InputError
from loopwright.learn.detecting import causes
from loopwright.learn.models.anomaly import pca, robust_z

NAMES = ["pump", "flow", "pressure", "valve", "heater", "oil", "bearing", "motor"]
BEHIND = np.array([0, 6, 9, 14, 20, 27, 33, 40])  # rows, down the line
HISTORY, ROWS, BEGINS = 600, 80, 30


def plant(order: np.ndarray, step: float, seed: int) -> np.ndarray:
    """(HISTORY + ROWS, 8) noise; then channel order[k] steps by `step` spreads, BEHIND[k] rows after the fault."""
    values = np.random.default_rng(seed).normal(size=(HISTORY + ROWS, len(NAMES)))
    for channel, behind in zip(order, BEHIND, strict=True):
        values[HISTORY + BEGINS + behind :, channel] += step
    return values


def told(module: ModuleType, values: np.ndarray) -> list[causes.Cause]:
    """What the detector of that module says of the last ROWS rows, with all before them to learn from."""
    return causes.explain(module, module.fit(values[:HISTORY]), values[HISTORY:], NAMES)


@pytest.mark.parametrize("step", [12.0, 60.0])
@pytest.mark.parametrize("first", range(8))
def test_the_channel_that_moved_first_is_ranked_first_whichever_it_is(first: int, step: float) -> None:
    order = np.roll(np.arange(8), first)
    found = told(robust_z, plant(order, step, first))
    assert found[0].channel == NAMES[order[0]]
    assert sum(one.share for one in found) == pytest.approx(1.0)


@pytest.mark.parametrize("first", range(8))
def test_of_a_score_that_smears_over_channels_it_is_still_among_the_first_three(first: int) -> None:
    order = np.roll(np.arange(8), first)
    assert NAMES[order[0]] in [one.channel for one in told(pca, plant(order, 12.0, first))][:3]


def test_channels_follow_in_the_order_in_which_the_fault_reached_them() -> None:
    order = np.random.default_rng(3).permutation(8)
    found = told(robust_z, plant(order, 60.0, 3))
    assert [one.channel for one in found] == [NAMES[i] for i in order]
    assert [one.onset for one in found] == (BEGINS + BEHIND).tolist()


def test_a_larger_move_that_came_late_does_not_stand_before_the_cause() -> None:
    values = plant(np.arange(8), 12.0, 4)
    values[HISTORY + BEGINS + 40 :, 7] += 6.0  # the motor is the last that moves, and moves most
    assert told(robust_z, values)[0].channel == "pump"


@pytest.mark.parametrize("every", [2, 3, 4])
def test_missing_values_of_the_cause_do_not_hide_it(every: int) -> None:
    values = plant(np.arange(8), 30.0, 5)
    values[HISTORY::every, 0] = np.nan
    found = told(robust_z, values)
    assert found[0].channel == "pump"
    assert found[0].onset is not None
    assert BEGINS <= found[0].onset < BEGINS + every


def test_a_channel_that_never_said_anything_is_no_cause() -> None:
    values = plant(np.arange(8), 30.0, 6)
    values[:, 6] = np.nan
    silent = told(robust_z, values)[-1]
    assert (silent.channel, silent.share, silent.onset) == ("bearing", 0.0, None)


def test_channels_that_are_equal_stand_in_their_own_order() -> None:
    parts = np.full((40, 8), 0.1)
    parts[20:, [2, 5, 6]] = 9.0
    found = causes.rank(parts, NAMES)
    assert [one.channel for one in found] == ["pressure", "oil", "bearing", "pump", "flow", "valve", "heater", "motor"]
    assert [one.weight for one in found[:3]] == [found[0].weight] * 3
    assert [one.onset for one in found[:3]] == [20, 20, 20]


def test_where_two_move_alike_the_one_that_stood_out_earlier_is_first() -> None:
    """A quarter of the rows later counts half: 10 of 40 rows, shares 20 : 10 and so weights 20 : 5."""
    parts = np.zeros((40, 2))
    parts[20:, 1] = parts[30:, 0] = 4.0
    late, early = sorted(causes.rank(parts, ["late", "early"]), key=lambda one: one.weight)
    assert (late.channel, early.channel) == ("late", "early")
    assert early.share / late.share == pytest.approx(2.0)
    assert early.weight / late.weight == pytest.approx(4.0)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_parts_that_are_no_numbers_are_refused(wrong: float) -> None:
    parts = np.ones((10, 8))
    parts[4, 2] = wrong
    with pytest.raises(InputError, match=r"shape \(10, 8\) for 8 channels"):
        causes.rank(parts, NAMES)
    with pytest.raises(InputError, match="for 7 channels"):
        causes.rank(np.ones((10, 8)), NAMES[:7])


def slow_onset(roots: list[float], early: int) -> int | None:
    """The first row from which a root stays five robust spreads above its early median for three rows."""
    middle = float(np.median(roots[:early]))
    spread = 1.482602218505602 * float(np.median([abs(one - middle) for one in roots[:early]]))
    if spread <= 0.0:
        spread = float(np.sqrt(np.mean([(one - middle) ** 2 for one in roots[:early]])))
    edge = middle + 5.0 * max(spread, 1e-6 * abs(middle), 1e-12)
    for row in range(len(roots) - 2):
        if all(one > edge for one in roots[row : row + 3]):
            return row
    return None


def slow_rank(parts: np.ndarray, names: list[str]) -> list[tuple[str, float, int | None]]:
    """The ranking as its page defines it, a channel at a time."""
    rows, early = len(parts), max(2, len(parts) // 4)
    rises = [sum(max(x - float(np.median(column[:early])), 0.0) for x in column) for column in parts.T.tolist()]
    onsets = [slow_onset([max(x, 0.0) ** 0.5 for x in column], early) for column in parts.T.tolist()]
    known = [onset for onset in onsets if onset is not None]
    found = []
    for name, rise, onset in zip(names, rises, onsets, strict=True):
        share = rise / sum(rises) if sum(rises) > 0 else 1.0 / len(names)
        behind = rows if onset is None else onset - min(known)
        found.append((share * 2.0 ** (-4.0 * behind / rows), (name, share, onset)))
    return [one for _, one in sorted(found, key=lambda pair: -pair[0])]


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), rows=st.integers(4, 90), channels=st.integers(1, 9))
def test_the_ranking_is_the_one_its_page_defines(seed: int, rows: int, channels: int) -> None:
    random = np.random.default_rng(seed)
    parts = random.normal(size=(rows, channels)) ** 2
    for channel in range(channels):
        parts[random.integers(rows) :, channel] += random.choice([0.0, 30.0, 300.0])
    names = [f"c{n}" for n in range(channels)]
    found = [(one.channel, one.share, one.onset) for one in causes.rank(parts, names)]
    slow = slow_rank(parts, names)
    assert [(name, onset) for name, _, onset in found] == [(name, onset) for name, _, onset in slow]
    assert [share for _, share, _ in found] == pytest.approx([share for _, share, _ in slow])
