"""Classes of runs, loads, cycles and windows that no model has seen, beside 1-NN DTW and the most frequent class.

    python -m benchmarks.bench_classes [FOLDER OF SETS] [SET]

Mill wear with whole runs left out; gearbox with whole loads left out; hydraulic cycles with blocks of 49 left out, four
answers; BasicMotions on its published test part; ECG200 and ECG5000 in ten folds of their training parts (their test
parts are used where they stand beside). 5 seeds, mean and spread. Where `aeon` is installed its MiniRocket, MultiRocket
and QUANT are asked in the same folds, with the first seed alone; about the hydraulic cycles MiniRocket only.
`chosen` marks the model that left-out groups of the training data choose; `chosen, then used` is what choosing again
without each left-out group and then using the choice gets, beside the best baseline with an exact sign test.
Last: what the first start costs, when Numba has nothing compiled yet.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import class_peers
from loopwright.core import plug
from loopwright.core.clock import cpu_s, monotonic_s
from loopwright.learn.proof import classes as proof
from loopwright.learn.proof.classes_said import ROOM
from loopwright.learn.rows import Champion, Row

DATA = Path(__file__).parents[2] / "shared" / "data"
SETS = ("cnc_mill_wear", "gearbox", "hydraulic", "imu_basicmotions", "health_ecg")
SEEDS = 5
_START = """
import numpy as np
from loopwright.learn.classing.cases import Cases
from loopwright.learn.models.classes import dtw, rocket
rng = np.random.default_rng(0)
cases = Cases(("a", "b", "c", "d"), tuple(rng.standard_normal((2, 50)) for _ in range(4)), ("x", "y"))
for model in (rocket, dtw):
    model.predict(model.fit(cases, ["p", "q", "p", "q"], cases.ids), cases)
"""


def models() -> list[str]:
    """Every model of ours, baselines first."""
    names = sorted(plug.find(ROOM))
    return sorted(names, key=lambda name: not plug.load(ROOM, name).BASELINE)


def _line(row: Row, champion: Champion) -> dict[str, Any]:
    m, spread = row.metrics, row.spread.get("accuracy")
    share = f"{m['low']:.1%} to {m['high']:.1%}"
    told: dict[str, Any] = {
        "set": row.set, "model": row.model, "right": m["correct"], "of": m["cases"],
        "accuracy": f"{m['accuracy']:.1%}" + ("" if spread is None else f" ±{spread:.1%}"), "95 % interval": share,
        "balanced": m["balanced_accuracy"], "macro F1": m["macro_f1"], "AUC": m["auc"], "log loss": m["log_loss"],
        "fit s": row.cost.fit_s, "us a point": row.cost.us_per_point, "chosen": row.model == champion.model,
    }
    return told


def _notes(rows: list[Row], champion: Champion) -> dict[str, Any]:
    best = next(row for row in rows if row.model == champion.model)
    head, against, *_ = [note for note in best.notes if note.startswith(("chosen", "against"))]
    return {"set ": best.set, "split by": best.split, "chosen, then used": head.split(": ", 1)[1], "beside": against}


def scored(data: Path, only: str = "") -> Iterator[tuple[list[Row], dict[str, Champion]]]:
    """(rows, champions) of each folder that is there."""
    for name in SETS:
        if only in ("", name) and (data / name).is_dir():
            peers = class_peers.there(("MiniRocket",)) if name == "hydraulic" else class_peers.there()
            if not peers:
                print(f"{name}: without its peers, aeon is not installed", file=sys.stderr)
            yield proof.rows(data / name, models(), SEEDS, None, _tell, peers=peers)


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def first_start() -> dict[str, Any]:
    """Wall seconds of a process that fits and asks rocket and dtw on four cases, without and with compiled kernels."""
    took = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2):
            begun_s = monotonic_s()
            command = [sys.executable, "-c", _START]
            subprocess.run(command, check=True, env=os.environ | {"NUMBA_CACHE_DIR": folder})
            took.append(monotonic_s() - begun_s)
    return {"a process that fits rocket and dtw on four cases": "wall s", "first start": took[0], "then": took[1]}


def rows(data: Path = DATA, only: str = "") -> list[dict[str, Any]]:
    """A line a model and set, then what choosing gets, then the first start."""
    begun_s = cpu_s()
    lines: list[dict[str, Any]] = []
    chosen: list[dict[str, Any]] = []
    for found, champion in scored(data, only):
        lines += [_line(row, champion[row.set]) for row in found]
        chosen += [_notes([row for row in found if row.set == name], best) for name, best in champion.items()]
    missing = [name for name in SETS if only in ("", name) and not (data / name).is_dir()]
    skipped = [{"set": f"{name}: skipped, ../shared/data/{name} is not there"} for name in missing]
    total = {"all of the above": "processor s", "took": cpu_s() - begun_s}
    return [*lines, *chosen, *skipped, total, first_start()]


if __name__ == "__main__":
    from benchmarks.run import table

    print(table(rows(*[Path(sys.argv[1])] if len(sys.argv) > 1 else [], only=sys.argv[2] if len(sys.argv) > 2 else "")))
