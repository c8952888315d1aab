"""Components that follow a plant that moves by itself and do not learn its faults; averages of rows, and T2 and Q of them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from loopwright.learn.detecting import renewed, smooth, subspace
from loopwright.learn.models.anomaly import averaged_pca, pca


def rig(rows: int, seed: int = 0) -> np.ndarray:
    """Six channels that follow two movements, with noise."""
    random = np.random.default_rng(seed)
    mixed = np.array([[1.0, 0.8, 0.5, 0.0, 0.3, -0.6], [0.0, 0.4, -0.7, 1.0, 0.9, 0.2]])
    return random.normal(size=(rows, 2)) @ mixed + 0.3 * random.normal(size=(rows, 6))


def test_moments_give_the_directions_and_limits_of_the_rows_they_are_of() -> None:
    rows = rig(400) * 3.0 + 7.0
    by_rows = subspace.learn_usual(rows[None])
    deviation = rows - rows.mean(axis=0)
    told = subspace.from_moments(rows.mean(axis=0), deviation.T @ deviation / 400, np.ones(6, dtype=bool), 400)
    asked = rig(50, 1) * 3.0 + 7.0
    expected = subspace.contributions(by_rows, asked)
    np.testing.assert_allclose(subspace.contributions(told, asked), expected, rtol=0.01, atol=1e-3)


def plain(state: renewed.Renewed, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(mean, covariance) after one block, sum by sum."""
    mean, covariance = state.mean.copy(), state.covariance.copy()
    many = len(mean)
    weights = [1.0 / max(float(subspace.contributions(state.usual, row[None]).sum()), 1.0) ** 2 for row in rows]
    for i in range(many):
        seen = [(w, row[i] - state.mean[i]) for w, row in zip(weights, rows, strict=True) if np.isfinite(row[i])]
        mean[i] += sum(w * away for w, away in seen) / renewed.MEMORY
        for j in range(many):
            both = [(w, (row[i] - state.mean[i]) * (row[j] - state.mean[j]))
                    for w, row in zip(weights, rows, strict=True) if np.isfinite(row[i]) and np.isfinite(row[j])]
            share = sum(w for w, _ in both) / renewed.MEMORY
            covariance[i, j] = (1 - share) * covariance[i, j] + sum(w * product for w, product in both) / renewed.MEMORY
    return mean, covariance


def test_a_block_is_taken_in_as_the_sums_that_it_is_defined_by() -> None:
    rows = rig(renewed.BLOCK, 2)
    rows[np.random.default_rng(3).random(rows.shape) < 0.1] = np.nan
    rows[100:120, 2] += 3.0
    state = renewed.learn(rig(300, 4))
    _, after = renewed.follow(state, rows)
    mean, covariance = plain(state, rows)
    np.testing.assert_allclose(after.mean, mean, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(after.covariance, covariance, rtol=1e-9, atol=1e-12)
    assert len(after.newest) == 0


def test_chunks_of_any_size_end_in_the_same_digits_across_renewals() -> None:
    rows = rig(3 * renewed.BLOCK + 40, 5)
    state = pca.fit(rig(300, 6))
    whole, after = pca.score(state, rows)
    told, now = [], state
    for begin, end in pairwise([0, 1, 2, 500, 511, 513, 1100, 1537, len(rows)]):
        scores, now = pca.score(now, rows[begin:end])
        told.append(scores)
    np.testing.assert_array_equal(np.concatenate(told), whole)
    np.testing.assert_array_equal(now["known"].covariance, after["known"].covariance)


def test_a_plant_that_moves_slowly_by_itself_stays_usual() -> None:
    rows = rig(100_000, 7)
    rows[:, 1] += np.linspace(0.0, 8.0, 100_000)
    rows[:, 4] -= np.linspace(0.0, 5.0, 100_000)
    followed, _ = pca.score(pca.fit(rig(2000, 8)), rows)
    frozen = subspace.contributions(subspace.learn_usual(rig(2000, 8)[None]), rows).sum(axis=1)
    assert np.median(followed[-5000:]) < 2.0
    assert np.median(frozen[-5000:]) > 5.0


@pytest.mark.parametrize("far", [2.5, 10.0, 1e9])
def test_a_fault_of_thousands_of_rows_is_not_learned(far: float) -> None:
    rows = rig(6000, 9)
    rows[1000:, 2] += far
    scores, after = pca.score(pca.fit(rig(1000, 10)), rows)
    assert np.median(scores[-1000:]) > 0.8 * np.median(scores[1000:1500])
    calm, _ = pca.score(after, rig(1000, 11))
    assert np.quantile(calm, 0.9) < 2.0


def test_days_of_standing_still_do_not_make_every_movement_news() -> None:
    rows = np.vstack((rig(500, 12), np.zeros((50_000, 6)), rig(500, 13)))
    scores, _ = pca.score(pca.fit(rig(1000, 14)), rows)
    assert np.median(scores[-500:]) < 4.0


def test_a_channel_that_comes_only_after_training_is_not_judged() -> None:
    learned, rows = rig(300, 15), rig(2000, 16)
    learned[:, 3] = np.nan
    rows[1000:, 3] += 50.0
    scores, _ = pca.score(pca.fit(learned), rows)
    assert np.median(scores[1500:]) < 2.0


def test_more_channels_than_are_kept_stay_as_they_were_learned() -> None:
    state = renewed.learn(np.random.default_rng(17).normal(size=(20, renewed.MOST + 1)))
    assert state.covariance.size == 0
    _, after = renewed.follow(state, np.zeros((600, renewed.MOST + 1)))
    assert after is state


def test_averages_are_those_of_the_hand() -> None:
    """4 rows of memory: 0 + (8 - 0) / 4 = 2, missing, 2 + (2 - 2) / 4, 2 + (10 - 2) / 4 = 4."""
    told, last = smooth.follow(np.zeros(1), np.array([[8.0], [np.nan], [2.0], [10.0]]), 4)
    assert told[:, 0].tolist() == [2.0, 2.0, 2.0, 4.0]
    assert last.tolist() == [4.0]


def test_averages_are_the_plain_sums_that_they_stand_for() -> None:
    """y_n = (1 - 1/m)^n y_0 + sum (1 - 1/m)^(n - k) x_k / m, written out."""
    rows = rig(60, 20)
    told, _ = smooth.follow(np.full(6, 0.5), rows, 8)
    keeps = 1.0 - 1.0 / 8
    for n in range(60):
        whole = keeps ** (n + 1) * 0.5 + sum(keeps ** (n - k) * rows[k] / 8 for k in range(n + 1))
        np.testing.assert_allclose(told[n], whole, rtol=1e-9, atol=1e-12)


def test_a_small_shift_of_many_channels_is_seen_by_averages_and_not_by_rows() -> None:
    rows = rig(1000, 18)
    rows[500:] += 0.35
    found = {}
    for model in (pca, averaged_pca):
        state = model.fit(rig(800, 19))
        scores, _ = model.score(state, rows)
        found[model.NAME] = (scores[550:] > np.quantile(scores[:500], 0.99)).mean()
    assert found["averaged_pca"] > 0.7
    assert found["pca"] < 0.35
