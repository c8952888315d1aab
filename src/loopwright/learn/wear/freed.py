"""Measures of recorded runs freed from the feed rate and scaled: what the models of wear learn from.

    state = learn(values, feed_m_s)     what the training rows tell: middles, effect of the feed, mean, spread
    x = look(state, values, feed_m_s)   (n, f) of any rows

No label is touched. A faster feed makes every spindle less steady, worn or not (`learn.wear.linear.feed_effect`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from loopwright.learn.wear.linear import feed_effect, filled, log_feed, scale


def learn(values: np.ndarray, feed_m_s: np.ndarray) -> dict[str, Any]:
    """Plain data. values (n, f) and feed_m_s (n, 1) of the training rows, NaN where unknown."""
    known, middle = filled(values)
    feed, feed_middle = filled(feed_m_s)
    per_feed = feed_effect(known, feed[:, 0])
    mean, spread = scale(known - np.outer(log_feed(feed[:, 0]), per_feed))
    return {
        "middle": middle.tolist(), "feed_middle": feed_middle.tolist(), "per_feed": per_feed.tolist(),
        "mean": mean.tolist(), "spread": spread.tolist(),
    }


def look(state: Mapping[str, Any], values: np.ndarray, feed_m_s: np.ndarray) -> np.ndarray:
    """(n, f) scaled measures without the feed's effect; what is unknown is the middle of the training rows."""
    known, _ = filled(values, np.asarray(state["middle"]))
    feed, _ = filled(feed_m_s, np.asarray(state["feed_middle"]))
    free = known - np.outer(log_feed(feed[:, 0]), state["per_feed"])
    return np.asarray((free - np.asarray(state["mean"])) / np.asarray(state["spread"]))
