"""How data is divided so that a number means what it says, and checks that fail loudly when it would not.

    leave_one_group_out(groups)           every group is left out once, whole
    group_folds(groups, 5)                whole groups in so many folds of like size
    hold_out(groups, 0.3)                 whole groups apart
    by_time(t_ns, cut_ns, gap_ns)         what came later is the test; time_folds(...) several times over
    divide("person", groups, t_ns)        the folds by the name of what is held out; by row is refused
    check_split(groups, train, test)      no group, and no identical row, on both sides
    check_time(t_ns, train, test)         nothing of the test came before the end of the training
    check_overlap(groups, first, last, train, test)   no windows on both sides that share a sample
    check_names(names)                    no feature that names the answer, the run, its length or a position
    check_known(known_ns, by_ns)          nothing that was known only later

All take arrays of indices or times and never the data, so that they serve sets that do not fit into memory
(`learn.windows`). Row-level random splits of the recorded runs are reported at 99 %: neighbouring rows are near copies:
a test of memory.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from loopwright.core.errors import InputError, UnknownName
from loopwright.learn.traps import LeakError, check_split_name

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


Fold = tuple[np.ndarray, np.ndarray]  # rows to train on, rows to test on
GROUPS = ("unit", "engine", "bearing", "run", "person", "machine", "load", "block", "batch", "case")  # held out whole


def divide(
    by: str, groups: Sequence[str] | np.ndarray | None = None, t_ns: np.ndarray | None = None, folds: int = 5,
    seed: int = 0, gap_ns: int = 0,
) -> list[Fold]:
    """The folds by the name of what is held out: one of GROUPS, or 'time'.

    groups  (n,)  the unit, run or person of each row; needed for all but 'time'
    t_ns    (n,)  when each row was true; needed for 'time'
    gap_ns  between training and test of 'time': what a row, or a window, looks forward at most
    folds         how many; with fewer groups each group is a fold of its own
    Raises LeakError for a split by row, UnknownName for another word, InputError where groups or times are missing.
    """
    check_split_name(by)
    if by == "time":
        if t_ns is None:
            raise InputError("split by time", "no times are given", "the time of each row")
        return time_folds(t_ns, folds, gap_ns)
    if by not in GROUPS:
        raise UnknownName("split", by, (*GROUPS, "time"))
    if groups is None:
        raise InputError(f"split by {by}", f"no {by} is named", f"the {by} of each row")
    return group_folds(groups, folds, seed)


def group_folds(groups: Sequence[str] | np.ndarray, folds: int = 5, seed: int = 0) -> list[Fold]:
    """(rows to train on, rows to test on) of each fold; every group is whole in one fold, folds are of like size.

    groups  (n,)  the unit, run or person of each row
    folds         how many; with fewer groups each group is a fold of its own
    The largest group comes first, each into the fold with the fewest rows; of equal groups chance decides.
    Raises InputError for fewer than two groups or folds.
    """
    names, number = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) < 2 or folds < 2:
        raise InputError("split", f"{len(names)} groups in {folds} folds", "at least 2 of both")
    sizes = np.bincount(number)
    order = np.random.default_rng(seed).permutation(len(names))
    order = order[np.argsort(-sizes[order], kind="stable")]
    load, fold_of = np.zeros(min(folds, len(names)), np.int64), np.zeros(len(names), np.int64)
    for group in order:
        fold_of[group] = int(np.argmin(load))
        load[fold_of[group]] += sizes[group]
    row_fold = fold_of[number]
    found = [(np.flatnonzero(row_fold != k), np.flatnonzero(row_fold == k)) for k in range(len(load))]
    for train, test in found:
        check_split(number, train, test)
    return found


def hold_out(groups: Sequence[str] | np.ndarray, share: float = 0.3, seed: int = 0) -> Fold:
    """(rows to train on, rows to test on): whole groups drawn by chance until at least `share` of all rows is apart.

    At least one group stays on each side. Raises InputError for fewer than two groups, or a share outside 0 to 1.
    """
    names, number = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) < 2 or not 0.0 < share < 1.0:
        raise InputError("split", f"{len(names)} groups, share {share}", "at least 2 groups, a share between 0 and 1")
    order = np.random.default_rng(seed).permutation(len(names))
    reached = np.cumsum(np.bincount(number)[order]) >= share * len(number)
    count = min(int(np.argmax(reached)) + 1, len(names) - 1)
    apart = np.isin(number, order[:count])
    return np.flatnonzero(~apart), np.flatnonzero(apart)


def by_time(t_ns: np.ndarray, cut_ns: int, gap_ns: int = 0) -> Fold:
    """(rows before cut_ns - gap_ns, rows from cut_ns on), whatever order the rows stand in.

    gap_ns  what a row looks back or forward at most: neither side then sees the other's samples
    Raises InputError where one side is empty.
    """
    times = np.asarray(t_ns, dtype=np.int64)
    train, test = np.flatnonzero(times < cut_ns - gap_ns), np.flatnonzero(times >= cut_ns)
    if not len(train) or not len(test):
        given = f"{len(train)} rows before the cut and {len(test)} after"
        raise InputError("split by time", given, "some on each side")
    return train, test


def time_folds(t_ns: np.ndarray, folds: int = 5, gap_ns: int = 0) -> list[Fold]:
    """Each fold's test is a later stretch, its training all that came before: folds + 1 stretches of like many times.

    t_ns  (n,)  in any order; rows of one time stay together
    Raises InputError for fewer different times than folds + 1, or a gap that leaves nothing to train on.
    """
    times = np.asarray(t_ns, dtype=np.int64)
    different = np.unique(times)
    if folds < 1 or len(different) < folds + 1:
        given = f"{len(different)} different times for {folds} folds"
        raise InputError("split by time", given, f"at least {folds + 1}")
    cuts = [int(different[len(different) * k // (folds + 1)]) for k in range(1, folds + 1)]
    found = []
    for k, cut_ns in enumerate(cuts):
        train, test = by_time(times, cut_ns, gap_ns)
        if k + 1 < folds:
            test = test[times[test] < cuts[k + 1]]
        check_time(times, train, test)
        found.append((train, test))
    return found


def leave_one_group_out(groups: Sequence[str]) -> list[Fold]:
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


def check_split(
    groups: Sequence[str] | np.ndarray, train: np.ndarray, test: np.ndarray, values: np.ndarray | None = None
) -> None:
    """Raises LeakError when a group, a row, or an identical row of `values` (n, f) stands on both sides."""
    names = np.asarray(groups)
    both = np.intersect1d(names[train], names[test]).tolist()
    if both:
        raise LeakError("split", f"{', '.join(map(str, both[:5]))} stand on both sides", "", "leave whole groups out")
    if values is None:
        return
    seen = {row.tobytes() for row in np.ascontiguousarray(values[train], dtype=np.float64)}
    twins = [i for i in test.tolist() if np.ascontiguousarray(values[i], dtype=np.float64).tobytes() in seen]
    if twins:
        raise LeakError("split", f"rows {twins[:5]} of the test are also in the training", "", "remove the copies")


def check_time(t_ns: np.ndarray, train: np.ndarray, test: np.ndarray, gap_ns: int = 0) -> None:
    """Raises LeakError when a row of the test is not later than every row of the training by more than gap_ns."""
    times = np.asarray(t_ns, dtype=np.int64)
    if not len(train) or not len(test):
        return
    last, first = int(times[train].max()), int(times[test].min())
    if first <= last + gap_ns:
        late = int((times[train] >= first - gap_ns).sum())
        raise LeakError("split by time", f"{late} rows of the training are not before the test", "", "cut at one time")


def check_overlap(
    groups: Sequence[str] | np.ndarray, first: np.ndarray, last: np.ndarray, train: np.ndarray, test: np.ndarray
) -> None:
    """Raises LeakError when a window of the test shares a sample with one of the training: what shuffling windows does.

    groups       (n,) the unit or run of each window
    first, last  (n,) its first and last sample, as a place or a time, both counted in; in any order
    """
    _, number = np.unique(np.asarray(groups), return_inverse=True)
    begins, ends = np.asarray(first, dtype=np.int64), np.asarray(last, dtype=np.int64)
    count = 0
    for group in np.intersect1d(number[train], number[test]).tolist():
        known, asked = train[number[train] == group], test[number[test] == group]
        order = known[np.argsort(begins[known], kind="stable")]
        reach = np.maximum.accumulate(ends[order])  # how far the windows that begin by then reach
        before = np.searchsorted(begins[order], ends[asked], side="right") - 1
        # the latest training window that begins by the end of each test window, and whether one reaches its begin
        count += int(((before >= 0) & (reach[np.maximum(before, 0)] >= begins[asked])).sum())
    if count:
        given = f"{count} windows of the test share samples with the training"
        raise LeakError("split", given, "", "leave whole units, runs or persons out, or cut at one time with a gap")


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
