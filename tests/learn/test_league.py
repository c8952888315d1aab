"""A champion that gets worse than the baseline is demoted, one that does not is left, however often one looks."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.errors import InputError
from loopwright.core.types import Event
from loopwright.learn import league
from loopwright.learn.league import evidence, losing, serving


def slow_evidence(ours: list[float], theirs: list[float], scale: float, last: int) -> list[float]:
    """The formula of the module's first page, term by term."""
    d, top = [], scale
    for a, b in zip(ours, theirs, strict=True):
        d.append(max(-1.0, min(1.0, (a - b) / top)) if top > 0 else 0.0)
        top = max(top, a, b)
    out = []
    for t in range(len(d)):
        total = 0.0
        for k in range(1, t // league.STEP + 2):
            start = (k - 1) * league.STEP
            if t - start < last:
                total += sum(math.prod(1 + bet * x for x in d[start:t + 1]) for bet in league.BETS) / len(league.BETS) / (k * (k + 1))
        out.append(total)
    return out


LOSSES = st.lists(st.tuples(st.floats(0, 5), st.floats(0, 5)), max_size=90)


@settings(max_examples=60)
@given(LOSSES, st.sampled_from([0.0, 1.0, 7.0]), st.sampled_from([25, 60, 400]))
def test_the_fast_evidence_is_the_formula_term_by_term(pairs: list[tuple[float, float]], scale: float, last: int) -> None:
    ours, theirs = [a for a, _ in pairs], [b for _, b in pairs]
    np.testing.assert_allclose(evidence(np.array(ours), np.array(theirs), scale, last), slow_evidence(ours, theirs, scale, last), rtol=1e-9)


def test_of_a_model_that_is_as_good_the_bets_grow_by_nothing_on_average() -> None:
    """Every way that six fair coins can fall, with its probability: the mean of E after each step is at most the weights staked, 1."""
    for steps in range(1, 7):
        mean = np.mean([evidence(np.array(way, float), 1.0 - np.array(way, float), 1.0)[-1] for way in itertools.product((0, 1), repeat=steps)])
        assert mean == pytest.approx(0.5)  # one bet began, with the weight 1 / (1 * 2)


def test_a_model_no_worse_than_the_baseline_is_demoted_in_no_more_than_one_plant_of_a_hundred() -> None:
    """1,000 plants of 600 predictions each, losses with heavy tails and equal on average, looked at after every one."""
    rng = np.random.default_rng(0)
    demoted = 0
    for _ in range(1000):
        both = rng.exponential(size=(2, 600)) ** 1.5
        demoted += bool((evidence(both[0], both[1], 1.0) >= 100).any())
    assert demoted <= 20  # at most 1 % expected; 20 or more of 1,000 come in one case of 300


@pytest.mark.parametrize("good", [0, 300, 1500])
def test_a_promoted_model_that_gets_worse_is_demoted_however_good_it_was_before(good: int) -> None:
    rng = np.random.default_rng(1)
    ours = np.concatenate([rng.uniform(0, 0.3, good), rng.uniform(0.2, 0.9, 200)])
    theirs = rng.uniform(0.1, 0.5, good + 200)
    assert not losing(ours[:good], theirs[:good], 1.0).demote
    told = losing(ours, theirs, 1.0)
    assert told.demote
    assert "demoted at 100" in told.says


def test_a_model_that_stays_better_stays() -> None:
    rng = np.random.default_rng(2)
    told = losing(rng.uniform(0, 0.4, 2000), rng.uniform(0.1, 0.6, 2000), 1.0)
    assert not told.demote
    assert told.n == league.LAST
    assert "better than the baseline" in told.says


def test_one_outrageous_error_alone_demotes_nobody() -> None:
    ours, theirs = np.full(100, 0.1), np.full(100, 0.2)
    ours[50] = 1e9
    assert not losing(ours, theirs).demote


def test_nothing_is_said_of_a_model_without_scores() -> None:
    told = losing([], [])
    assert (told.demote, told.n, told.says) == (False, 0, "no prediction of it was scored yet")
    assert not losing([3.0], [1.0]).demote
    assert not losing(np.zeros(50), np.zeros(50)).demote
    assert losing([1e308] * 100, [1e308] * 100).ours == pytest.approx(1e308)


@pytest.mark.parametrize(("ours", "theirs"), [([1.0], [1.0, 2.0]), ([np.nan], [1.0]), ([-1.0], [1.0]), ([[1.0]], [[1.0]])])
def test_losses_that_make_no_sense_are_refused(ours: list[float], theirs: list[float]) -> None:
    with pytest.raises(InputError, match="finite losses"):
        losing(ours, theirs)


def test_forecasts_that_overlap_count_once() -> None:
    """Made every hour for a day ahead: of 48, those of hour 0 and 24 are apart; of another thing, its own two."""
    hours = np.arange(48)
    about = np.repeat(["a", "b"], 48)[np.argsort(np.tile(hours, 2), kind="stable")].tolist()
    made = np.repeat(hours, 2)
    assert np.flatnonzero(league.apart(about, made, made + 24)).tolist() == [0, 1, 48, 49]


def test_judgements_of_what_has_ended_do_not_overlap() -> None:
    assert league.apart(["a"] * 3, np.array([10, 10, 10]), np.array([1, 2, 3])).all()


def _released(model: str, task: str = "tool-wear") -> Event:
    return Event("change.released", f"change-{model}", 1, "anna", {"target": "model", "rule": task, "before": {}, "after": {"model": model, "kept": "k"}, "revision": model})


def test_the_last_release_serves_until_it_is_demoted_or_undone_and_then_the_baseline() -> None:
    rule = Event("change.released", "change-lie", 1, "anna", {"target": "rule", "rule": "tool-wear", "before": {}, "after": {"offset": 1}, "revision": "r"})
    first, second = _released("a"), _released("b")
    demoted, other = (Event("model.demoted", name, 2, "league", {}) for name in ("b", "a"))
    undone = Event("change.undone", "change-b", 2, "anna", {"why": "x"})

    def now(*events: Event) -> str:
        return (serving(events, "tool-wear") or {"model": "baseline"})["model"]

    assert now(rule) == "baseline"
    assert now(first, _released("c", "forecast"), second) == "b"
    assert now(first, second, other) == "b"
    assert now(first, second, demoted) == "baseline"
    assert now(first, second, undone) == "baseline"
    assert now(first, second, demoted, first) == "a"
