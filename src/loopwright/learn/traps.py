"""Ways in which evaluations of this field deceive, each refused with its reason or shown beside the number.

    refuse("point adjustment")            the LeakError of that trap, to raise
    check_metrics(task, metrics, threshold)  names of metrics: what is refused, what must be given beside them
    check_split_name(split)               never by row
    check_chosen_on(where)                never on the test part
"""

from __future__ import annotations

from collections.abc import Mapping

from loopwright.core.errors import InputError, LoopwrightError, UnknownName


class LeakError(LoopwrightError):
    """What is tested could be known from what was trained on, or a number would say more than it knows."""

    exit_code = 2


# trap -> (why, what to do instead)
TRAPS: dict[str, tuple[str, str]] = {
    "point adjustment": (
        "it counts a whole anomaly as found when one of its points is flagged, so that random scores win",
        "read VUS-PR, and false and missed alarms at a threshold fixed on training data",
    ),
    "shuffled windows": (
        "windows that overlap, or rows of one run, on both sides make a test of memory",
        "leave whole units, runs or persons out, or what came later",
    ),
    "threshold on test data": (
        "the best threshold is known only afterwards",
        "fix it on training data and say at which share of false alarms",
    ),
    "capped test labels": (
        "capping the truth takes out the cases that are hardest: it lowers the error by 1 to 10 cycles on C-MAPSS",
        "give the score with raw labels beside the one with capped labels",
    ),
    "model chosen on test data": (
        "the best of many models on the test part is the luckiest one",
        "choose on held-out training units",
    ),
    "baseline": (
        "without the trivial answer in the same table nobody can tell what a number means",
        "evaluate the baseline in the same run",
    ),
}
_ROWS = ("row", "rows", "random", "shuffled", "sample", "samples", "window", "windows")
_ADJUSTED = ("point_adjust", "point-adjust", "pointadjust", "pa_f1", "pa-f1", "f1_pa", "pa_k", "adjusted_f1")
_AT_A_THRESHOLD = ("f1", "precision", "recall", "false_alarm", "missed_alarm", "detection", "delay", "lead")


def refuse(trap: str, given: str = "") -> LeakError:
    """The error of that trap, with the reason and what to do instead."""
    if trap not in TRAPS:
        raise UnknownName("trap", trap, TRAPS)
    why, instead = TRAPS[trap]
    return LeakError("evaluation", f"{given or trap}: {why}", "", instead)


def check_metrics(task: str, metrics: Mapping[str, float | None], threshold: str) -> None:
    """Refuses point adjustment, capped labels alone, and alarms at a threshold of which nobody says where it is from.

    task       'anomaly' has thresholds; elsewhere precision and recall are those of the likeliest class
    threshold  where the threshold came from; '' for metrics that need none
    """
    if not metrics:
        raise InputError("row", "no metric", "at least one")
    for name in metrics:
        low = name.lower()
        if any(word in low for word in _ADJUSTED):
            raise refuse("point adjustment", name)
        if low.endswith("capped") and low[: -len("capped")] + "raw" not in {other.lower() for other in metrics}:
            raise refuse("capped test labels", f"{name} alone")
        if task != "anomaly" or not any(word in low for word in _AT_A_THRESHOLD):
            continue
        if "best" in low:
            raise refuse("threshold on test data", name)
        if not threshold:
            raise refuse("threshold on test data", f"{name} at a threshold of which nothing is said")
    if _names_test(threshold):
        raise refuse("threshold on test data", threshold)


def check_split_name(split: str) -> None:
    """Raises LeakError for a split by row, InputError for none."""
    if not split:
        raise InputError("row", "no split is named", "unit, run, person, time or what else is left out whole")
    if split.lower() in _ROWS:
        raise refuse("shuffled windows", f"split by {split}")


def check_chosen_on(where: str) -> None:
    """Raises LeakError where a champion was chosen on the test part, InputError where nobody says on what."""
    if not where:
        raise InputError("champion", "nothing says what it was chosen on", "the training data it was chosen on")
    if _names_test(where):
        raise refuse("model chosen on test data", f"chosen on {where}")


def _names_test(words: str) -> bool:
    return "test" in words.lower().replace("-", " ").replace("_", " ").split()
