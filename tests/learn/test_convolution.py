"""Compiled convolutions and warping against plain twins written from the formulas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("numba")

from loopwright.learn.classing import convolution, warping


def plain_response(x: np.ndarray, channels: list[int], kernel: np.ndarray, dilation: int) -> np.ndarray:
    """C[t] = sum_j w_j x[t + (j - 4) d], zeros beyond the ends, summed over the channels."""
    weights = np.full(9, -1.0)
    weights[kernel] = 2.0
    t_count = x.shape[1]
    out = np.zeros(t_count)
    for c in channels:
        for t in range(t_count):
            for j in range(9):
                place = t + (j - 4) * dilation
                if 0 <= place < t_count:
                    out[t] += weights[j] * x[c, place]
    return out


def plain_pools(response: np.ndarray, bias: float) -> list[float]:
    over = response > bias
    runs = "".join("1" if one else "0" for one in over).split("0")
    places = np.flatnonzero(over)
    return [
        over.mean(), (response[over] - bias).mean() if over.any() else 0.0,
        places.mean() / len(response) if over.any() else -1.0, max(map(len, runs)) / len(response),
    ]


def test_there_are_84_kernels_and_each_sums_to_zero() -> None:
    """Nine places, three of them 2 and six -1: 9 choose 3 = 84 (MiniRocket, section 3.1)."""
    assert convolution.KERNELS.shape == (84, 3)
    assert len({tuple(k) for k in convolution.KERNELS.tolist()}) == 84
    assert 3 * 2 + 6 * -1 == 0


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.integers(1, 3), st.integers(1, 12), st.integers(0, 83), st.integers(0, 2**31))
def test_a_response_is_the_dilated_convolution(t: int, c: int, dilation: int, kernel: int, seed: int) -> None:
    x = np.random.default_rng(seed).standard_normal((c, t)).astype(np.float32)
    out = np.empty(t, np.float32)
    convolution.respond(x, np.arange(c), convolution.KERNELS[kernel], dilation, out)
    expected = plain_response(x.astype(float), list(range(c)), convolution.KERNELS[kernel], dilation)
    np.testing.assert_allclose(out, expected, atol=1e-4)


def test_pools_of_a_whole_plan_are_those_of_the_plain_twin() -> None:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((3, 50)).astype(np.float32)
    subsets, channels, plan = [[0], [0, 2], [1, 2]], [], []
    for dilation in (1, 3):
        for kernel in (0, 17, 83):
            some = subsets[(kernel + dilation) % 3]
            plan += [(dilation, kernel, len(channels), len(channels) + len(some))] * 2
            channels += some
    biases = rng.standard_normal(len(plan)).astype(np.float32)
    out = np.empty(4 * len(plan), np.float32)
    table = np.array(plan, np.int64)
    convolution.describe(x, table, np.array(channels, np.int64), convolution.KERNELS, biases, out)
    for i, (dilation, kernel, begin, end) in enumerate(plan):
        response = plain_response(x.astype(float), channels[begin:end], convolution.KERNELS[kernel], dilation)
        np.testing.assert_allclose(out[4 * i : 4 * i + 4], plain_pools(response, float(biases[i])), atol=2e-4)


def test_where_nothing_is_above_the_bias_the_place_is_minus_one() -> None:
    out = np.empty(4, np.float32)
    convolution.pool(np.array([0.0, 0.5, 0.2], np.float32), 1.0, out)
    assert out.tolist() == [0.0, 0.0, -1.0, 0.0]


def test_pools_of_a_hand_made_response() -> None:
    """Of 0 2 3 0 4 above 1: three of five; excess (1 + 2 + 3) / 3; places (1 + 2 + 4) / 3 / 5; longest stretch two of five."""
    out = np.empty(4, np.float32)
    convolution.pool(np.array([0.0, 2.0, 3.0, 0.0, 4.0], np.float32), 1.0, out)
    np.testing.assert_allclose(out, [0.6, 2.0, 7.0 / 15.0, 0.4], rtol=1e-6)


def plain_warped(x: np.ndarray, y: np.ndarray, band: int) -> float:
    n = len(x)
    table = np.full((n + 1, n + 1), np.inf)
    table[0, 0] = 0.0
    for i in range(n):
        for j in range(max(0, i - band), min(n, i + band + 1)):
            cost = float(((x[i] - y[j]) ** 2).sum())
            table[i + 1, j + 1] = cost + min(table[i, j], table[i, j + 1], table[i + 1, j])
    return float(table[n, n])


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 15), st.integers(1, 3), st.integers(0, 15), st.integers(0, 2**31))
def test_warping_is_the_recursion_within_the_band(t: int, c: int, band: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((t, c)), rng.standard_normal((t, c))
    expected = plain_warped(x, y, band)
    assert warping.warped(x, y, band, np.inf) == pytest.approx(expected, rel=1e-12)
    assert warping.warped(x, y, band, expected * 0.999 - 1e-9) in (np.inf, pytest.approx(expected, rel=1e-12))


def test_without_a_band_warping_is_the_plain_distance_and_an_equal_series_is_none_away() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((20, 2)), rng.standard_normal((20, 2))
    assert warping.warped(x, y, 0, np.inf) == pytest.approx(((x - y) ** 2).sum())
    assert warping.warped(x, x, 5, np.inf) == 0.0


def test_a_series_moved_by_a_few_samples_is_near_when_time_may_stretch() -> None:
    wave = np.sin(np.arange(40) / 4.0)[:, None]
    moved = np.roll(wave, 3, axis=0)
    assert warping.warped(wave, moved, 5, np.inf) < 0.3 * warping.warped(wave, moved, 0, np.inf)
