"""The league: which model serves a task, whether it still beats the simplest baseline, and who stands where.

    losing(ours, theirs)                 is the live champion worse than the baseline? looked at as often as one likes
    standings(table)                     one row a model, from its scored predictions (`learn.kept.predictions`)
    serving(events, "tool-wear")         the model in force, None: the baseline serves

A champion is made by a Change (`improve.promotion`) and ends by an event. The test of demotion bets against the model:

    E_t = sum_k w_k mean_b prod_{i = s_k}^{t} (1 + b d_i),    d_i = (ours_i - theirs_i) / scale_i in [-1, 1]

A fresh bet begins every STEP predictions (s_k), so that good years do not hide a bad month; w_k = 1 / (k (k + 1)) adds
up to one. While the model is, given what was known, no worse than the baseline, every bet is a supermartingale, and
P(E ever reaches 1/alpha) <= alpha (Ville). scale_i is the largest loss of either before i, so no future is used.
Source of the bets: I. Waudby-Smith and A. Ramdas, "Estimating means of bounded random variables by betting", JRSS B 86
(2024) 1; of restarts with weights: J. Shin, A. Ramdas and A. Rinaldo, "E-detectors" (2023).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from loopwright.core.errors import InputError
from loopwright.core.types import Event

ALPHA, LAST, STEP = 0.01, 400, 20  # chance of a wrong demotion ever; predictions looked at; a fresh bet every so many
BETS = (0.05, 0.1, 0.2, 0.4)  # shares that are staked
KINDS = ("model.trained", "model.demoted", "change.released", "change.undone")


@dataclass(frozen=True)
class Verdict:
    """What the test says of a live champion.

    n          scored predictions that were looked at
    ours, theirs  mean loss of the model and of the baseline on them; None without any
    evidence   the largest E within them
    demote     whether it reached 1 / alpha
    says       in words
    """

    n: int
    ours: float | None
    theirs: float | None
    evidence: float
    alpha: float
    demote: bool
    says: str


def losing(
    ours: Sequence[float] | np.ndarray, theirs: Sequence[float] | np.ndarray, scale: float = 0.0, last: int = LAST,
    alpha: float = ALPHA,
) -> Verdict:
    """Whether a live champion is worse than the simplest baseline, over its last scored predictions.

    ours, theirs  (n,) losses of the same predictions, in the order in which they became due; all of them since it was
                  promoted, of which the bets that began within the last `last` count
    scale         the largest loss that training knew (0: unknown; then the first prediction only sets it)
    Raises InputError for losses that are negative, no numbers, or not as many.
    """
    a, b = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1 or not np.isfinite([a, b]).all() or (a < 0).any() or (b < 0).any():
        raise InputError("league", f"losses of shape {a.shape} and {b.shape}", "as many finite losses of 0 or more")
    track = evidence(a, b, scale, last)
    seen = slice(max(0, len(a) - last), len(a))
    best = float(track.max(initial=0.0))
    demote = best >= 1.0 / alpha
    if not len(a):
        return Verdict(0, None, None, 0.0, alpha, False, "no prediction of it was scored yet")
    n = len(a[seen])
    mean_a, mean_b = float((a[seen] / n).sum()), float((b[seen] / n).sum())  # a sum of large ones would overflow
    words = "worse than" if mean_a > mean_b else "better than" if mean_a < mean_b else "as good as"
    says = (f"over its last {n} scored predictions it is {words} the baseline (mean loss {mean_a:.4g} against "
            f"{mean_b:.4g}); evidence {best:.3g}, it is demoted at {1 / alpha:g} (wrongly at most {alpha:.0%} of the "
            "time, however often one looks)")
    return Verdict(n, mean_a, mean_b, best, alpha, demote, says)


def evidence(ours: np.ndarray, theirs: np.ndarray, scale: float = 0.0, last: int = LAST) -> np.ndarray:
    """(n,) E after each prediction, of the bets that began within the last `last` before it. O(n last / STEP)."""
    n = len(ours)
    both = np.maximum(ours, theirs)
    before = np.maximum.accumulate(np.concatenate([[scale], both]))[:-1] if n else np.zeros(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        d = np.where(before > 0, np.clip((ours - theirs) / before, -1.0, 1.0), 0.0)
    total = np.zeros(n)
    for k, start in enumerate(range(0, n, STEP), 1):
        end = min(n, start + last)
        grown = np.cumsum(np.log1p(np.outer(BETS, d[start:end])), axis=1)  # (bets, n)
        total[start:end] += np.exp(np.minimum(grown, 500.0)).mean(axis=0) / (k * (k + 1))
    return total


def apart(about: Sequence[str], made_ns: np.ndarray, due_ns: np.ndarray) -> np.ndarray:
    """(n,) which predictions the test may count: of each thing only those made after the last counted one was due.

    Forecasts that overlap share what surprised them; counted one by one, one surprise would be many. Rows in the order
    of due_ns.
    """
    free: dict[str, int] = {}
    kept = np.zeros(len(due_ns), dtype=bool)
    for i, (name, made, due) in enumerate(zip(about, made_ns.tolist(), due_ns.tolist(), strict=True)):
        if made >= free.get(name, -(2**63)) or made >= due:
            kept[i] = True
            free[name] = due
    return kept


def standings(table: Mapping[str, Any], alpha: float = ALPHA) -> list[dict[str, Any]]:
    """One row a model: {model, task, made, scored, leaks, loss, baseline_loss, better, verdict, coverage}.

    table  columns of `learn.kept.predictions.read`, rows of any models in any order
    Best first within a task: by its mean loss over the baseline's.
    """
    from loopwright.learn.kept.drift import coverage

    rows = []
    models = np.asarray(table["model"], dtype=object)
    for name in sorted(set(models.tolist())):
        at = np.flatnonzero(models == name)
        at = at[np.lexsort((table["made_ns"][at], table["due_ns"][at]))]
        one = {key: np.asarray(table[key])[at] for key in table}
        scored = np.isfinite(one["loss"]) & np.isfinite(one["baseline_loss"])
        told = losing_of(one, alpha=alpha)
        ranged = scored & np.isfinite(one["low"]) & np.isfinite(one["high"]) & (one["level"] > 0)
        inside = (one["outcome"] >= one["low"]) & (one["outcome"] <= one["high"])
        numeric = ranged & (one["loss_name"] == ABSOLUTE)
        level = float(one["level"][numeric][0]) if numeric.any() else 0.9
        rows.append({
            "model": name, "task": str(one["task"][0]), "made": len(at), "scored": int(scored.sum()),
            "loss": _mean(one["loss"][scored]), "baseline_loss": _mean(one["baseline_loss"][scored]),
            "verdict": told, "coverage": coverage(inside[numeric], level) if numeric.any() else None,
        })
    return sorted(rows, key=lambda row: (row["task"], _ratio(row), row["model"]))


def losing_of(one: Mapping[str, np.ndarray], scale: float = 0.0, alpha: float = ALPHA) -> Verdict:
    """`losing` of the rows of one model, in the order of due_ns, those that may count."""
    scored = np.isfinite(one["loss"]) & np.isfinite(one["baseline_loss"])
    mine = {key: row[scored] for key, row in one.items()}
    kept = apart(mine["about"].tolist(), mine["made_ns"], mine["due_ns"])
    return losing(mine["loss"][kept], mine["baseline_loss"][kept], scale, alpha=alpha)


def serving(events: Iterable[Event], task: str) -> dict[str, Any] | None:
    """The model in force for a task: {model, kept, change, since_ns}; None: the baseline serves.

    events  of KINDS, in the order of their recording
    """
    now: dict[str, Any] | None = None
    for event in events:
        if event.kind == "change.released" and event.body["target"] == "model" and event.body["rule"] == task:
            now = {**event.body["after"], "change": event.about, "since_ns": event.t_ns}
        elif now is not None and (
            (event.kind == "change.undone" and event.about == now["change"])
            or (event.kind == "model.demoted" and event.about == now["model"])
        ):
            now = None
    return now


ABSOLUTE, BRIER = "absolute error", "Brier score"


def loss_of(name: str, median: Any, outcome: Any) -> np.ndarray:
    """(n,) loss of predictions by its name: 'absolute error' |median - outcome|, or 'Brier score' its square, of a
    probability and a 0 or 1."""
    if name not in (ABSOLUTE, BRIER):
        raise InputError("loss", f"{name!r} is not known", f"{ABSOLUTE!r}, {BRIER!r}")
    off: np.ndarray = np.abs(np.asarray(median, dtype=np.float64) - np.asarray(outcome, dtype=np.float64))
    return off if name == ABSOLUTE else off**2


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None


def _ratio(row: Mapping[str, Any]) -> float:
    if row["loss"] is None:
        return np.inf
    return float(row["loss"] / row["baseline_loss"]) if row["baseline_loss"] else float(row["loss"] > 0) + 1.0
