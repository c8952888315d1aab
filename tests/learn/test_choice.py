"""Anomalies put into usual rows, and the detector that is chosen by them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from loopwright.core import plug
from loopwright.learn.detecting import choice
from loopwright.learn.detecting.planted import KINDS, planted
from loopwright.learn.detecting.recordings import Recording, RecordingSet
from loopwright.learn.proof import anomaly as proof


def rows(count: int = 400, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Channels that move together, with noise."""
    random = np.random.default_rng(seed)
    common = np.sin(np.arange(count) / 9)[:, None] + 0.5 * random.normal(size=(count, 1))
    return 10.0 + common * np.linspace(1.0, 2.0, channels) + 0.1 * random.normal(size=(count, channels))


def recording(seed: int, count: int = 400, channels: int = 3) -> Recording:
    usual = rows(2 * count, channels, seed)
    labels = np.zeros(count, dtype=np.int8)
    labels[-20:] = 1
    return Recording(f"r{seed}", tuple("abcdefgh"[:channels]), usual[:count], usual[:0], usual[count:], labels, 1.0)


def detector(score: Any) -> Any:
    """A detector of its own that knows only the level of training."""
    return SimpleNamespace(
        BASELINE=False,
        fit=lambda values, seed=0: {"lag": 0, "level": values.mean(axis=0), "fit_scores": np.zeros(len(values))},
        score=lambda state, values: (score(values - state["level"]), state),
    )


AWAY = detector(lambda away: np.abs(away).max(axis=1))
BLIND = detector(lambda away: np.sin(7919.0 * np.arange(len(away))) + 1.0)


@pytest.mark.parametrize("number", range(len(KINDS)), ids=KINDS)
def test_each_kind_changes_the_labelled_rows_of_a_third_of_the_channels_and_no_other(number: int) -> None:
    base = rows(200, 6)
    values, labels = planted(base, number + 7 * 3)
    changed = values != base
    assert labels.any()
    assert not changed[labels == 0].any()
    assert changed.any(axis=0).sum() == 2
    assert changed[labels == 1].any(axis=1).mean() >= (0.9 if KINDS[number] != "stuck" else 0.5)


def test_what_each_kind_is_by_hand() -> None:
    base = np.column_stack((np.arange(100.0), np.arange(100.0)[::-1] ** 2))
    found = {kind: planted(base, n + 7) for n, kind in enumerate(KINDS)}
    stuck, at = found["stuck"]
    which = int(np.flatnonzero((stuck != base).any(axis=0))[0])
    assert len(set(stuck[at == 1, which].tolist())) == 1
    level, at = found["level"]
    which = int(np.flatnonzero((level != base).any(axis=0))[0])
    assert np.ptp((level - base)[at == 1, which]) < 1e-9
    drift, at = found["drift"]
    which = int(np.flatnonzero((drift != base).any(axis=0))[0])
    np.testing.assert_allclose(np.diff((drift - base)[at == 1, which], 2), 0.0, atol=1e-9)
    apart, at = found["apart"]
    which = int(np.flatnonzero((apart != base).any(axis=0))[0])
    assert set(apart[at == 1, which].tolist()) <= set(base[:, which].tolist())
    assert found["spike"][1].sum() <= 3


def test_the_same_seed_puts_in_the_same_and_few_rows_are_left_alone() -> None:
    first, second = planted(rows(), 11), planted(rows(), 11)
    np.testing.assert_array_equal(first[0], second[0])
    values, labels = planted(rows(4), 1)
    np.testing.assert_array_equal(values, rows(4))
    assert not labels.any()


@pytest.mark.parametrize("number", range(len(KINDS)))
def test_constant_and_missing_rows_take_any_kind(number: int) -> None:
    for base in (np.full((50, 2), 3.0), np.full((50, 2), np.nan)):
        values, labels = planted(base, number)
        assert values.shape == base.shape
        assert labels.any()


def test_ranks_by_hand_and_equal_areas_share_theirs() -> None:
    areas = {"a": np.array([0.9, 0.5]), "b": np.array([0.5, 0.5]), "c": np.array([0.1, 0.1])}
    assert choice.mean_ranks(areas) == {"a": 1.25, "b": 1.75, "c": 3.0}


def test_a_default_stays_unless_another_is_clearly_ahead() -> None:
    random = np.random.default_rng(0)
    default = random.random(56)
    assert choice.best({"plain": default, "other": default + 0.01 * random.normal(size=56)}, "plain") == "plain"
    assert choice.best({"plain": default, "other": default + 0.1}, "plain") == "other"
    assert choice.best({"one": default, "other": default + 0.001}, "plain") == "other"


def test_the_better_of_two_detectors_is_chosen_and_told_with_its_rank() -> None:
    told = RecordingSet("made", (recording(0), recording(1)))
    champion = proof.choose(told, {"blind": BLIND, "away": AWAY})
    assert champion is not None
    assert champion.model == "away"
    assert "away" in champion.chosen_on
    assert "rank 1." in champion.chosen_on


def test_among_channels_that_go_together_the_one_that_looks_at_them_together_is_chosen() -> None:
    """Each channel's level and spread hide what breaks away from the others by a fifth of its spread."""
    told = RecordingSet("made", tuple(recording(seed, 600) for seed in range(3)))
    modules = {name: plug.load(proof.ROOM, name) for name in ("robust_z", "pca")}
    champion = proof.choose(told, modules)
    assert champion is not None
    assert champion.model == "pca"


def test_labels_and_asked_rows_change_no_choice() -> None:
    one = recording(2)
    other = Recording(one.name, one.channels, one.fit, one.calm, -one.asked, 1 - one.labels, 1.0)
    modules = {"away": AWAY, "blind": BLIND}
    first, second = (proof.choose(RecordingSet("made", (each,)), modules) for each in (one, other))
    assert first == second


def test_a_set_without_rows_to_put_anything_into_says_so() -> None:
    short = Recording("s", ("a",), np.arange(9.0)[:, None], np.zeros((0, 1)), np.arange(5.0)[:, None],
                      np.zeros(5, dtype=np.int8), 1.0)
    champion = proof.choose(RecordingSet("made", (short,)), {"away": AWAY})
    assert champion is not None
    assert "too few training rows" in champion.chosen_on


def test_runs_that_share_their_normal_rows_count_once() -> None:
    one = recording(3)
    calm = rows(100, 3, 9)
    pair = [Recording(name, one.channels, one.fit, calm, one.asked, one.labels, 1.0) for name in ("a", "b")]
    once = choice.on_planted(pair[:1], AWAY)
    np.testing.assert_array_equal(choice.on_planted(pair, AWAY), once)
    assert len(once) == choice.CASES
