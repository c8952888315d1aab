"""How data is divided so that a number means what it says, and checks that fail loudly when it would not.

    leave_one_group_out(groups)       every group is left out once, whole
    check_split(groups, train, test)  no group, and no identical row, on both sides
    check_names(names)                no feature that names the answer, the run, its length or a position
    check_known(known_ns, by_ns)      nothing that was known only later

Row-level random splits of the recorded runs are reported at 99 %: neighbouring rows are near copies: a test of memory.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from loopwright.core.errors import InputError, LoopwrightError

# Words in a feature's name that give the answer away in recorded runs, and why.
FORBIDDEN: dict[str, str] = {
    "label": "it is the answer",
    "worn": "it is the answer",
    "condition": "it is the answer",
    "passed": "it is found out after the run, with the answer",
    "finalized": "it is found out after the run, and worn tools end runs early",
    "run": "runs of one tool stand together, so the number of a run names its tool",
    "number": "runs of one tool stand together, so the number of a run names its tool",
    "file": "it names the run",
    "rows": "the length of a run tells whether it was stopped early",
    "samples": "the length of a run tells whether it was stopped early",
    "duration": "the length of a run tells whether it was stopped early",
    "count": "the length of a run tells whether it was stopped early",
    "sequence": "how far the program came tells whether it was stopped early",
    "position": "the worn tool of the recorded runs stands 0.2 mm higher than the other: that names the tool",
    "bus": "the mains voltage drifts through the day, and runs of one tool were made together",
    "t_ns": "runs of one tool were made together",
}


class LeakError(LoopwrightError):
    """What is tested could be known from what was trained on."""

    exit_code = 2


def leave_one_group_out(groups: Sequence[str]) -> list[tuple[np.ndarray, np.ndarray]]:
    """(rows to train on, rows to test on) for each group in the order it first stands; checked for leaks.

    groups  (n,)  the run, engine or golfer of each row
    Raises InputError for fewer than two groups.
    """
    names = np.asarray(groups)
    found = list(dict.fromkeys(groups))
    if len(found) < 2:
        raise InputError("split", f"there are {len(found)} groups", "at least 2, to leave one out")
    splits = [(np.flatnonzero(names != name), np.flatnonzero(names == name)) for name in found]
    for train, test in splits:
        check_split(groups, train, test)
    return splits


def check_split(groups: Sequence[str], train: np.ndarray, test: np.ndarray, values: np.ndarray | None = None) -> None:
    """Raises LeakError when a group, a row, or an identical row of `values` (n, f) stands on both sides."""
    names = np.asarray(groups)
    both = sorted(set(names[train].tolist()) & set(names[test].tolist()))
    if both:
        raise LeakError("split", f"{', '.join(map(str, both[:5]))} stand on both sides", "", "leave whole groups out")
    if values is None:
        return
    seen = {row.tobytes() for row in np.ascontiguousarray(values[train], dtype=np.float64)}
    twins = [i for i in test.tolist() if np.ascontiguousarray(values[i], dtype=np.float64).tobytes() in seen]
    if twins:
        raise LeakError("split", f"rows {twins[:5]} of the test are also in the training", "", "remove the copies")


def check_names(names: Sequence[str]) -> None:
    """Raises LeakError for a feature whose name says that it tells the answer; see FORBIDDEN for the reasons."""
    for name in names:
        for word, why in FORBIDDEN.items():
            if word in name.replace("-", "_").split("_") or word in name.split(".") or name == word:
                raise LeakError(f"feature {name!r}", f"must not be used: {why}", "", "leave it out")


def check_known(known_ns: Sequence[int], by_ns: int) -> None:
    """Raises LeakError when a row became known only after by_ns."""
    late = [i for i, t_ns in enumerate(known_ns) if t_ns > by_ns]
    if late:
        given = f"{len(late)} rows became known after the cut"
        raise LeakError("training", given, "", "train on what was known by then")
