"""Live predictions read back from the points store as columns, a row a prediction.

    table = read(store, task="signal-forecast")      {model, task, about, ..., median, low, high, outcome, loss: (n,)}

What a thing of kind 'prediction-<quantity>' says of one time, signal by signal, becomes one row; nothing is looped over
prediction by prediction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError
from loopwright.core.types import POINTS, Kind, Thing
from loopwright.store import Store

LEVELS = (0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975)
PREFIX = "prediction-"
LABELS = ("model", "task", "about", "signal", "loss_name")


def level_name(level: float) -> str:
    """The signal of a quantile: 'q050' for 0.05. InputError lists the levels there are."""
    for known in LEVELS:
        if abs(level - known) < 1e-9:
            return f"q{round(known * 1000):03d}"
    raise InputError("prediction", f"quantile {level}", ", ".join(map(str, LEVELS)))


def read(
    store: Store, *, task: str = "", model: str = "", known_by_ns: int | None = None, start_ns: int | None = None,
    only: Sequence[str] | None = None,
) -> dict[str, np.ndarray]:
    """Predictions as columns (n,), in the order of due_ns: model, task, about, signal, unit, loss_name, level, made_ns,
    due_ns, known_ns (of the prediction), median, low, high, baseline, outcome, loss, baseline_loss (NaN: not known
    yet), scored_ns, thing, n, told (whether an outcome was ever written).

    task, model  only of these; known_by_ns: as it stood then; start_ns: due from then on
    only         signals that are read, the others are as if nobody had said them; None: all
    """
    kinds = store.kinds()
    wanted = {name: thing for name, thing in store.things().items() if thing.kind.startswith(PREFIX)
              and task in ("", thing.labels.get("task")) and model in ("", thing.labels.get("model"))}
    if not wanted:
        return _pivot(POINTS.empty_table(), wanted, kinds)
    return _pivot(store.get(things=sorted(wanted), signals=only, known_by_ns=known_by_ns, start_ns=start_ns), wanted,
                  kinds)


def coded(column: Any) -> tuple[np.ndarray, list[str]]:
    """A column of text as whole numbers (n,) and what each stands for."""
    one = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    told = one.dictionary_encode()
    return told.indices.to_numpy(zero_copy_only=False).astype(np.int64), told.dictionary.to_pylist()


def _pivot(rows: pa.Table, things: Mapping[str, Thing], kinds: Mapping[str, Kind]) -> dict[str, np.ndarray]:
    of, names = coded(rows.column("thing"))
    said, signals = coded(rows.column("signal"))
    t_ns, n, known = (rows.column(name).to_numpy().astype(np.int64) for name in ("t_ns", "n", "known_ns"))
    value = rows.column("value").to_numpy(zero_copy_only=False)
    order = np.lexsort((n, of, t_ns))  # equal keys side by side
    key = [column[order] for column in (t_ns, of, n)]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (key[0][1:] != key[0][:-1]) | (key[1][1:] != key[1][:-1]) | (key[2][1:] != key[2][:-1])
    where = np.empty(len(order), dtype=np.int64)
    where[order] = np.cumsum(new) - 1
    due_ns, thing, number = (column[new] for column in key)
    count = len(due_ns)

    def column(name: str, of_known: bool = False) -> np.ndarray:
        found = np.full(count, 0 if of_known else np.nan, dtype=np.int64 if of_known else np.float64)
        if name in signals:
            mine = np.flatnonzero(said == signals.index(name))
            found[where[mine]] = (known if of_known else value)[mine]
        return found

    low, high, level = _interval({one: column(level_name(one)) for one in LEVELS if level_name(one) in signals}, count)
    lead_ns = np.round(np.nan_to_num(column("lead")) * NS_PER_S).astype(np.int64)
    scored_ns = column("outcome", True)
    return {
        **_texts(names, thing, things, kinds), "level": level, "made_ns": due_ns - lead_ns, "due_ns": due_ns,
        "known_ns": column("median", True), "median": column("median"), "low": low, "high": high,
        "baseline": column("baseline"), "outcome": column("outcome"), "loss": column("loss"),
        "baseline_loss": column("loss.baseline"), "scored_ns": scored_ns, "n": number, "told": scored_ns > 0,
    }


def _texts(
    names: Sequence[str], thing: np.ndarray, things: Mapping[str, Thing], kinds: Mapping[str, Kind]
) -> dict[str, np.ndarray]:
    """The columns of text: what is the same for every prediction of a thing."""
    def spread(words: list[str]) -> np.ndarray:
        return np.array(words, dtype=object)[thing] if words else np.zeros(0, dtype=object)

    labels = [things[name].labels for name in names]
    units = [kinds[things[name].kind].signal("median").unit for name in names]
    return {word: spread([one.get(word, "") for one in labels]) for word in LABELS} | {
        "unit": spread(units), "thing": spread(list(names))}


def _interval(quantiles: Mapping[float, np.ndarray], count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The widest central interval that each prediction states: low, high, level (0: none)."""
    low, high, level = np.full(count, np.nan), np.full(count, np.nan), np.zeros(count)
    for below in sorted((one for one in quantiles if one < 0.5), reverse=True):
        above = next((one for one in quantiles if abs(one + below - 1.0) < 1e-9), None)
        if above is not None:
            both = np.isfinite(quantiles[below]) & np.isfinite(quantiles[above])
            low[both], high[both], level[both] = quantiles[below][both], quantiles[above][both], above - below
    return low, high, level
