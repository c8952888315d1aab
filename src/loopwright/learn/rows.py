"""The row of an evaluation: what was scored, against what, on which split, how sure, and what it cost.

    row = Row("cmapss/FD001", "life", "", "boosting", "mean_life", "unit", 5, {"rmse_raw": 12.8, "rmse_capped": 11.5},
              Cost(fit_s=16.0, us_per_point=3.1, peak_mb=80.0))
    with measured() as spent: state = fit(...)          spent.cpu_s, spent.wall_s, spent.peak_mb
    mean, spread = over_seeds([{"rmse_raw": 12.7}, {"rmse_raw": 12.9}])
    document(rows, champion)                            plain data, checked: never NaN, never without its baseline

A row checks itself at birth: a number of a kind that deceives is refused (`traps`), or must bring what is printed
beside it. Models of other packages are rows named `peer:<name>`; a peer is never the champion.
"""

from __future__ import annotations

import ctypes
import math
import resource
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loopwright.core.clock import cpu_s, monotonic_s
from loopwright.core.errors import InputError
from loopwright.learn import traps

if TYPE_CHECKING:
    from loopwright.learn.kept.results import Shelf

DIGITS = 6  # significant, in JSON
QUIET_S = 5.0  # after so long without a word small steps are told
TASKS = ("life", "forecast", "anomaly", "class")
PEER = "peer:"


@dataclass(frozen=True)
class Cost:
    """What a model takes.

    fit_s         processor seconds of one fit, all threads together (0 for a model that is not fitted)
    us_per_point  processor microseconds a point of one channel while it predicts or scores
    peak_mb       how much the process grew while it was fitted and asked, MB of 10^6 bytes; memory that the process
                  already held and used again does not count
    fit_wall_s    seconds of one fit on the wall
    """

    fit_s: float
    us_per_point: float
    peak_mb: float
    fit_wall_s: float | None = None


@dataclass(frozen=True)
class Row:
    """One model on one set.

    set        the set: 'cmapss/FD001', 'grid_ett/ETTh1'
    task       one of TASKS
    horizon    the horizon in words ('short', '48'), '' where the task has none
    model      a file of learn/models/<task>, or 'peer:<package>'
    baseline   the model that stands beside it in the same table
    split      what is held out whole: 'unit', 'run', 'person', 'load', 'block', 'time', ...
    seeds      how many fits the numbers are the mean of
    metrics    name -> number; None where it cannot be told (it stands in `notes` why)
    cost       what it takes
    spread     name -> standard deviation over the seeds (n - 1), where there is more than one
    threshold  where the threshold came from that alarms, rates and delays depend on: 'training, 1 % false alarms'
    notes      sentences that are printed under the table
    Raises InputError or LeakError for what `traps` refuses.
    """

    set: str
    task: str
    horizon: str
    model: str
    baseline: str
    split: str
    seeds: int
    metrics: Mapping[str, float | None]
    cost: Cost
    spread: Mapping[str, float | None] = field(default_factory=dict)
    threshold: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise InputError(f"row of {self.model}", f"task {self.task!r}", ", ".join(TASKS))
        if self.seeds < 1:
            raise InputError(f"row of {self.model}", f"{self.seeds} seeds", "at least 1")
        traps.check_split_name(self.split)
        traps.check_metrics(self.task, self.metrics, self.threshold)

    @property
    def place(self) -> str:
        """'set' or 'set/horizon': what a champion is chosen for."""
        return f"{self.set}/{self.horizon}" if self.horizon else self.set

    def plain(self) -> dict[str, Any]:
        """JSON-ready; numbers of DIGITS significant digits, None for what is not finite."""
        told = rounded(asdict(self) | {"horizon": self.horizon or None})
        return {name: value for name, value in told.items() if name not in _SPARSE or value}


_SPARSE = ("spread", "threshold", "notes")  # left out where empty


@dataclass(frozen=True)
class Champion:
    """The model that is to be used on a set.

    model      one of ours, never a peer
    chosen_on  the data it was chosen on: 'out-of-fold training engines'; never the test part
    metrics    its scores there, name -> number
    """

    model: str
    chosen_on: str
    metrics: Mapping[str, float | None]

    def __post_init__(self) -> None:
        if self.model.startswith(PEER):
            raise InputError("champion", f"{self.model!r} is a package of others", "one of our own models")
        traps.check_chosen_on(self.chosen_on)


class Progress:
    """What is under way, told as it goes, and the rows so far: what is left when somebody presses Ctrl-C.

    say    gets one line at a time
    shelf  where results are kept as they come, and taken up when the same is asked again; None: nowhere
    """

    def __init__(self, say: Callable[[str], None], shelf: Shelf | None = None) -> None:
        self._say = say
        self._said_s = monotonic_s()
        self.shelf = shelf
        self.rows: list[Row] = []

    def __call__(self, text: str) -> None:
        self._said_s = monotonic_s()
        self._say(text)

    def step(self, text: str) -> None:
        """A small step, told only where nothing was said for a while."""
        if monotonic_s() - self._said_s > QUIET_S:
            self(text)

    def row(self, row: Row) -> None:
        """A row that is done."""
        self.rows.append(row)


def done(progress: Callable[[str], None], row: Row) -> Row:
    """Hands a finished row to a progress that keeps rows, and gives it back."""
    if isinstance(progress, Progress):
        progress.row(row)
    return row


def step(progress: Callable[[str], None], text: str) -> None:
    """Tells of a small step, to a progress that can leave some out."""
    if isinstance(progress, Progress):
        progress.step(text)


def once(progress: Callable[[str], None], key: tuple[str | int, ...], make: Callable[[], Any]) -> Any:
    """What `make` gives: plain data and arrays. With a shelf it is kept at once, and later taken from there.

    key  what tells it from every other result of the task on this set: set, horizon, model, seed
    """
    shelf = progress.shelf if isinstance(progress, Progress) else None
    if shelf is None:
        return make()
    found = shelf.get(key)
    if found is None:
        found = make()
        shelf.put(key, found)
    return found


@dataclass
class Spent:
    """Filled in when its `with` block ends."""

    cpu_s: float = 0.0
    wall_s: float = 0.0
    peak_mb: float = 0.0


@contextmanager
def measured() -> Iterator[Spent]:
    """What the block takes: processor seconds of this process, seconds on the wall, growth of its memory in MB.

    On Linux the high-water mark of resident memory is set back first (/proc/self/clear_refs); elsewhere, or where that
    is not allowed, it counts from the highest mark of the process so far and reads low. Child processes do not count.
    """
    spent = Spent()
    base_mb = _reset_peak_mb()
    wall_s, worked_s = monotonic_s(), cpu_s()
    try:
        yield spent
    finally:
        spent.cpu_s, spent.wall_s = cpu_s() - worked_s, monotonic_s() - wall_s
        spent.peak_mb = max(0.0, peak_mb() - base_mb)


def _reset_peak_mb() -> float:
    """Gives freed memory back and sets the high-water mark back, where the system allows it; the mark as it is now."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)  # glibc; what was freed before would hide what is taken now
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return peak_mb()


def peak_mb() -> float:
    """The high-water mark of resident memory, MB."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    except OSError:
        pass
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size / 1e6 if sys.platform == "darwin" else size * 1024 / 1e6


def over_seeds(
    results: Sequence[Mapping[str, float | None]],
) -> tuple[dict[str, float | None], dict[str, float | None]]:
    """(mean, standard deviation with n - 1) of each metric over the seeds.

    A metric that is missing or not finite for one seed is None: a mean of the seeds that worked would flatter. The
    second is empty for one seed alone.
    """
    if not results:
        raise InputError("seeds", "no result", "at least one")
    names = list(dict.fromkeys(name for result in results for name in result))
    columns = {name: [result.get(name) for result in results] for name in names}
    known = {name: [float(v) for v in column if v is not None and math.isfinite(v)] for name, column in columns.items()}
    whole = {name: len(values) == len(results) for name, values in known.items()}
    mean = {name: math.fsum(known[name]) / len(results) if whole[name] else None for name in names}
    if len(results) == 1:
        return mean, {}
    spread: dict[str, float | None] = {}
    for name in names:
        middle = mean[name]
        spread[name] = None if middle is None else math.sqrt(
            math.fsum((v - middle) ** 2 for v in known[name]) / (len(results) - 1)
        )
    return mean, spread


def rounded(value: Any, digits: int = DIGITS) -> Any:
    """The same plain data: floats of so many significant digits, NaN and infinities None, tuples as lists.

    Numbers of NumPy become Python's.
    """
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return {str(key): rounded(inner, digits) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(inner, digits) for inner in value]
    if hasattr(value, "tolist"):
        return rounded(value.tolist(), digits)
    if isinstance(value, float):
        return float(f"{value:.{digits}g}") if math.isfinite(value) else None
    return value


def check(rows: Sequence[Row], champion: Mapping[str, Champion]) -> None:
    """Raises LeakError for a table without its baseline, InputError for one in which rows or champions do not fit.

    Every row's baseline must stand as a row of its own for the same set and horizon; no row stands twice; a champion
    is one of the rows of its place.
    """
    there = {(row.place, row.model) for row in rows}
    if len(there) < len(rows):
        raise InputError("evaluation", "a model stands twice for the same set and horizon", "one row a model")
    for row in rows:
        if (row.place, row.baseline) not in there:
            raise traps.refuse("baseline", f"{row.place}: {row.model} without a row of its baseline {row.baseline!r}")
    for place, best in champion.items():
        if (place, best.model) not in there:
            raise InputError(f"champion of {place}", repr(best.model), "a model with a row of its own there")


def document(rows: Sequence[Row], champion: Mapping[str, Champion], finished: bool = True) -> dict[str, Any]:
    """{rows, champion} as plain data; `stopped: true` beside them when it was ended early.

    An evaluation that was ended early loses the rows whose baseline was not reached.
    """
    if not finished:
        there = {(row.place, row.model) for row in rows}
        rows = [row for row in rows if (row.place, row.baseline) in there]
        champion = {place: best for place, best in champion.items() if (place, best.model) in there}
    check(rows, champion)
    told = {"rows": [row.plain() for row in rows], "champion": {p: rounded(asdict(c)) for p, c in champion.items()}}
    return told if finished else told | {"stopped": True}
