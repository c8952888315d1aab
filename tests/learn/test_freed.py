"""Measures of runs freed from the feed rate: the feed alone explains nothing any more, and unknowns are the middle."""

from __future__ import annotations

import numpy as np

from loopwright.learn.wear import freed


def test_a_measure_that_only_follows_the_feed_says_nothing_more() -> None:
    feed = np.array([[0.001], [0.002], [0.004], [0.008]])
    values = np.column_stack([np.log(feed[:, 0]), [1.0, -1.0, -1.0, 1.0]])  # the second does not depend on it
    x = freed.look(freed.learn(values, feed), values, feed)
    np.testing.assert_allclose(x[:, 0], 0.0, atol=1e-9)
    np.testing.assert_allclose(x[:, 1], [1.0, -1.0, -1.0, 1.0])


def test_what_is_unknown_is_the_middle_of_the_training_rows() -> None:
    feed = np.full((3, 1), 0.001)
    state = freed.learn(np.array([[1.0], [2.0], [6.0]]), feed)
    told = freed.look(state, np.array([[np.nan], [2.0]]), np.array([[np.nan], [0.001]]))
    np.testing.assert_allclose(told[0], told[1])
