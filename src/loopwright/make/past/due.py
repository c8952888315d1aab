"""Due dates for orders whose log names none: an allowance from the order's first work on, by a stated rule.

    due_ns = due_dates(works, start_ns, "work", tight=1.0)

same        everybody is given the same time
work        so many times the work of the order, as it is expected
operations  so long for each of its rows
How much is such that in the past, by what was known at start_ns, `part` of the orders took no longer; tight multiplies
it. Orders still open then count with the time that they have taken at least. Sources: R. Conway, Priority dispatching
and job lateness in a job shop (J. Industrial Engineering 16, 1965) for the rules; E. Kaplan, P. Meier, JASA 53, 1958.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError, UnknownName
from loopwright.make.past.durations import fit
from loopwright.make.past.work_log import Work, by_order, known_by

RULES = ("same", "work", "operations")


def due_dates(
    works: Sequence[Work], start_ns: int, rule: str = "same", tight: float = 1.0, part: float = 0.5
) -> dict[str, int]:
    """order -> ns UTC. Raises UnknownName for a rule that is not there, InputError where nothing was known before."""
    if rule not in RULES:
        raise UnknownName("rule of due dates", rule, RULES)
    if not 0 < tight < 1e6 or not 0 < part < 1:
        raise InputError("due dates", f"tight {tight}, part {part}", "tight above 0, part between 0 and 1")
    size = _sizes(works, start_ns, rule)
    spans = {order: (rows[0].start_ns, max(w.end_ns for w in rows)) for order, rows in by_order(works).items()}
    began = [(order, first, last) for order, (first, last) in spans.items() if first < start_ns]
    took = np.array([(min(last, start_ns) - first) / NS_PER_S / size[order] for order, first, last in began])
    ended = np.array([last <= start_ns for _, _, last in began], bool)
    allowance = tight * usual(took, ended, part)
    return {order: first + round(allowance * size[order] * NS_PER_S) for order, (first, _) in spans.items()}


def _sizes(works: Sequence[Work], start_ns: int, rule: str) -> Mapping[str, float]:
    """order -> what its allowance is in proportion to."""
    rows = by_order(works)
    if rule == "same":
        return dict.fromkeys(rows, 1.0)
    if rule == "operations":
        return {order: float(len(mine)) for order, mine in rows.items()}
    learnt = fit(known_by(works, start_ns), None, lambda work: 0.0)
    return {order: sum(learnt.seconds(work) for work in mine) for order, mine in rows.items()}


def usual(took: np.ndarray, ended: np.ndarray, part: float) -> float:
    """The time that `part` of the orders do not exceed, with those that have not ended counted as at least so long.

    The largest time that ended where fewer than `part` are known to.
    """
    if not ended.any():
        raise InputError("due dates", "no order was finished before the start", "one at least", "a later start")
    left = 1.0
    for at in np.unique(took[ended]):
        left *= 1 - np.sum(ended & (took == at)) / np.sum(took >= at)
        if 1 - left >= part - 1e-12:
            return float(at)
    return float(took[ended].max())
