"""Models: kept and read back, trees asked, live predictions kept and scored; beside pickle and scikit-learn.

    python -m benchmarks.bench_models

Processor seconds, one thread. A forest of 100 trees for 20 inputs is kept as plain arrays; pickle (protocol 5) with the
same SHA-256 over its bytes is the peer. Trees are asked one row and 2,000 rows at a time; the peer is scikit-learn's
own predict of the same estimator. Predictions: 1,000 things, a hundred times each, scored against values of the
store; the twin asks for each by a query of its own.
"""

from __future__ import annotations

import hashlib
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from loopwright.core.clock import NS_PER_S, SimClock, cpu_s
from loopwright.core.types import POINTS_IN, Batch, Kind, Prediction, Signal, Thing
from loopwright.learn import league
from loopwright.learn.kept import predictions, registry, trees
from loopwright.store import Store, open_store

T0, MIN = 1_700_000_000 * NS_PER_S, 60 * NS_PER_S
THINGS, LEADS = 1000, 100


def took_s(work: Callable[[], Any], often: int) -> float:
    """Processor seconds of one, the least of three rounds of `often`."""
    work()
    rounds = []
    for _ in range(3):
        began = cpu_s()
        for _ in range(often):
            work()
        rounds.append((cpu_s() - began) / often)
    return min(rounds)


def estimators() -> dict[str, Any]:
    """Fitted on made-up rows of 20 inputs."""
    from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier

    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 20))
    y = x[:, 0] * x[:, 1] + rng.normal(size=2000)
    return {"boosting, 100 trees": HistGradientBoostingRegressor(max_iter=100, random_state=0).fit(x, y),
            "forest, 100 trees": RandomForestClassifier(100, random_state=0, max_depth=8).fit(x, y > 0)}


def kept_rows(models: dict[str, Any]) -> list[dict[str, Any]]:
    """Keeping and reading back."""
    rows = []
    for name, model in models.items():
        plain = trees.export(model)
        data = registry.encode(plain)
        ours = took_s(lambda plain=plain: registry.address(plain), 3)  # type: ignore[misc]
        back = took_s(lambda data=data: registry.decode(data), 3)  # type: ignore[misc]
        theirs = took_s(lambda model=model: hashlib.sha256(pickle.dumps(model)).hexdigest(), 3)  # type: ignore[misc]
        again = took_s(lambda model=model: pickle.loads(pickle.dumps(model)), 3)  # type: ignore[misc]
        rows.append({"model": name, "KB": len(data) / 1e3, "KB pickled": len(pickle.dumps(model)) / 1e3,
                     "encode and hash ms": ours * 1e3, "pickle and hash ms": theirs * 1e3, "decode ms": back * 1e3,
                     "pickle and back ms": again * 1e3})
    return rows


def asked_rows(models: dict[str, Any]) -> list[dict[str, Any]]:
    """Trees asked, beside scikit-learn."""
    from threadpoolctl import threadpool_limits

    rows = []
    x = np.random.default_rng(1).normal(size=(2000, 20))
    for name, model in models.items():
        plain = trees.export(model)
        ask = model.predict_proba if hasattr(model, "predict_proba") else model.predict
        with threadpool_limits(1):
            worst = float(np.abs(trees.predict(plain, x) - ask(x)).max())
            for n, often in ((1, 50), (2000, 3)):
                part = x[:n]
                ours = took_s(lambda plain=plain, part=part: trees.predict(plain, part), often)  # type: ignore[misc]
                theirs = took_s(lambda ask=ask, part=part: ask(part), often)  # type: ignore[misc]
                rows.append({"asked": name, "rows": n, "us a row": ours / n * 1e6,
                             "scikit-learn us a row": theirs / n * 1e6, "ratio": ours / theirs,
                             "largest difference": worst})
    return rows


def belts(store: Store, minutes: tuple[int, ...]) -> None:
    """Values of every belt at these minutes."""
    names = [f"belt-{i}" for i in range(THINGS)]
    for minute in minutes:
        columns = {"thing": names, "signal": ["load"] * THINGS, "t_ns": [T0 + minute * MIN] * THINGS, "n": [0] * THINGS,
                   "value": [1.5] * THINGS, "code": [None] * THINGS, "quality": [0] * THINGS}
        store.put(Batch("bench", "belts", None, pa.table(columns, schema=POINTS_IN)))


def one_by_one(store: Store) -> None:
    """The twin of scoring: a query a prediction, of the first hundred belts' next minute."""
    for i in range(100):
        store.get(things=[f"belt-{i}"], signals=["load"], start_ns=T0, end_ns=T0 + MIN)


def half_heard(store: Store, clock: SimClock) -> dict[str, int]:
    """The outcomes of the earlier half come, and are scored."""
    clock.set_ns(T0 + (LEADS + 9) * MIN)
    belts(store, (LEADS // 2, LEADS // 2 + 59))
    return predictions.score(store)


def live_rows() -> list[dict[str, Any]]:
    """100,000 live predictions kept, looked at while they wait, half of them scored, and looked at again."""
    clock = SimClock(T0)
    made = [Prediction("bench/model@1", f"belt-{i}", "load", T0, T0 + (k + 1) * MIN, 1.0, {0.05: 0.0, 0.95: 2.0}, "N")
            for i in range(THINGS) for k in range(LEADS)]
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder) / "plant", clock) as store:
        load = Signal("load", "N", "gauge", None, None, None, "What lies on the belt.")
        store.declare([Kind("belt", "A belt.", (load,))], [Thing(f"belt-{i}", "belt") for i in range(THINGS)])
        found = []
        for word, count, work in (
            ("kept", len(made), lambda: predictions.record(store, "bench", made, [1.0] * len(made), league.ABSOLUTE)),
            ("all wait", len(made), lambda: predictions.score(store)),
            ("half are scored", len(made), lambda: half_heard(store, clock)),
            ("looked at again", len(made), lambda: predictions.score(store)),
            ("standings", len(made), lambda: league.standings(predictions.read(store))),
            ("twin: one query each", 100, lambda: one_by_one(store)),
        ):
            began = cpu_s()
            work()
            found.append({"live predictions": word, "how many": count, "us each": (cpu_s() - began) / count * 1e6,
                          "limit us": 10.0 if "wait" in word or "again" in word or "half" in word else None})
        return found


def rows() -> list[dict[str, Any]]:
    """All three tables."""
    models = estimators()
    return [*kept_rows(models), *asked_rows(models), *live_rows()]


if __name__ == "__main__":
    from benchmarks.run import table

    print(table(rows()))
