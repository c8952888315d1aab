"""The watch: 10,000 machines of 10 signals at 1 Hz judged in one call a second, split by where the time goes.

    python -m benchmarks.bench_watch [SIGNALS]

CPU time of this process (`time.process_time`) for one second of the fleet's time, median of the steps. Peers, on a part
of the machines and scaled to all of them: the same robust z in a Python loop, a machine and a signal at a time, and
river's HalfSpaceTrees (one for each machine) where it is installed. Limit: two cores, less what a put takes of them
(`bench_fleet`); half a second of CPU time for a second of the fleet is asked here.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bench_fleet import SIGNALS, START_NS, WIDTH, S, second
from loopwright.app import detecting
from loopwright.app.detecting import Detectors
from loopwright.app.plant import Plant, open_plant
from loopwright.app.site import load_site
from loopwright.app.watching import Watch
from loopwright.core.clock import SimClock
from loopwright.learn.detecting import budget, fleet, surprise

LIMIT_MS, STEPS, LOOKS, PART = 500.0, 40, 6, 20
EARLY = surprise.Settings(per_day=10.0)
MACHINE = '[[machine]]\nid = "m%05d"\nkind = "machine"\nrole = "make"\nlink = {{ protocol = "http" }}\n'


def rows(signals: int = 100_000) -> list[dict[str, Any]]:
    """All rows: [{what, ms, peer, peer_ms, met}], ms of CPU time for one second of the whole fleet."""
    things = signals // WIDTH
    judged, state = learned(things)
    parts = split(things, state)
    looks = of_plant(things)
    loop = python_loop(things)
    found = [_row("judged: levels, surprise, budget", judged, "robust z in a Python loop", loop)]
    found += [_row(f"of it: {what}", ms, "", None) for what, ms in parts.items()]
    if importlib.util.find_spec("river"):
        found.append(_row("judged, again", judged, "river HalfSpaceTrees, one a machine", half_space(things)))
    found += [_row(what, ms, "", None) for what, ms in looks.items()]
    whole = float(np.median(judged)) + float(np.median(looks["read from the live fleet"]))
    whole += float(np.median(looks["a look of the watch at all machines"]))
    return [*found, {"what": "in all, for one second", "ms": whole, "peer": "limit", "peer_ms": LIMIT_MS,
                     "met": whole <= LIMIT_MS}]


def values(things: int) -> np.ndarray:
    """(STEPS, B, C) of noise."""
    return np.random.default_rng(1).standard_normal((STEPS, things, WIDTH))


def learned(things: int) -> tuple[list[float], surprise.State]:
    """ms of each step once everything is judged, and the state."""
    rows_, mask = values(things), np.ones((things, WIDTH), dtype=bool)
    state = surprise.start(things, WIDTH, EARLY)
    for t in range(EARLY.warm + EARLY.past + 2):
        _, state = surprise.step(state, rows_[t % STEPS] + t, mask, None, t * S, EARLY)
    state = _all_judged(state)
    spent = []
    for t in range(STEPS):
        begun = time.process_time()
        _, state = surprise.step(state, rows_[t], mask, None, (1000 + t) * S, EARLY)
        spent.append(1e3 * (time.process_time() - begun))
    return spent, state


def _all_judged(state: surprise.State) -> surprise.State:
    """As after an hour: what was seen so far is enough."""
    row, signal = np.nonzero(np.ones(state.seen.shape, dtype=bool))
    return surprise._pointed(state, row, signal)


def split(things: int, state: surprise.State) -> dict[str, list[float]]:
    """What the parts of a step cost by themselves."""
    rows_, mask = values(things), np.ones((things, WIDTH), dtype=bool)
    scores = np.exp(np.abs(rows_).max(axis=2))
    return {
        "levels (detecting.fleet)": [_ms(lambda row=row: fleet.step(state.levels, row, mask, 0)) for row in rows_],
        "budget (detecting.budget)": [_ms(lambda one=one: budget.step(state.budget, 0, one, EARLY.budget))
                                  for one in scores],
    }


def of_plant(things: int) -> dict[str, list[float]]:
    """What reading the fleet and looking at every machine cost in a plant."""
    kinds = ", ".join(f'{{ name = "{s.name}", unit = "1", kind = "gauge", meaning = "{s.meaning}" }}' for s in SIGNALS)
    text = f'[site]\nname = "fleet"\n[[kind]]\nname = "machine"\nmeaning = "A machine."\nsignal = [{kinds}]\n'
    names = [f"m{i:05d}" for i in range(things)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "site.toml"
        path.write_text(text + "".join((MACHINE % i).replace("{{", "{").replace("}}", "}") for i in range(things)))
        with open_plant(load_site(path), clock=SimClock(START_NS)) as plant:
            return _of_plant(plant, names)


def _of_plant(plant: Plant, names: list[str]) -> dict[str, list[float]]:
    detectors, watch = Detectors(plant), Watch(plant)
    judge = detectors._judges[0]
    list(detectors.live(START_NS))
    read, looks, keep = [], [], []
    for nth in range(LOOKS):
        plant.store.put(second(names, nth))
        now_ns, step = START_NS + (nth + 3) * S, START_NS // S + nth
        read.append(_ms(lambda step=step, now_ns=now_ns: detectors._read(judge, step, step + 1, now_ns)))
        looks.append(_ms(lambda now_ns=now_ns: watch.look(now_ns, since_ns=START_NS)))
    list(detectors.live(START_NS + (LOOKS + 2) * S))
    keep.append(_ms(lambda: detecting._save(plant, judge)))
    return {"read from the live fleet": read, "a look of the watch at all machines": looks,
            "what is known kept on disk, once a minute": keep}


def python_loop(things: int) -> list[float]:
    """What `learn.detecting.level` does, a signal after the other in Python, scaled from a part of the things."""
    part = max(1, things // PART)
    known = [[[0.0, 1.0] for _ in range(WIDTH)] for _ in range(part)]

    def step(row: np.ndarray) -> None:
        for thing, given in zip(known, row.tolist(), strict=True):
            for one, x in zip(thing, given, strict=True):
                z = (x - one[0]) / one[1]
                held = min(max(z, -3.0), 3.0)
                one[0] += 0.001 * one[1] * held
                one[1] *= (1.0 + 0.001 * (held * held / 0.995 - 1.0)) ** 0.5

    return [_ms(lambda row=row: step(row)) * things / part for row in values(things)[:8, :part]]


def half_space(things: int) -> list[float]:
    """river's HalfSpaceTrees with its defaults, scaled from a part of the machines."""
    from river import anomaly

    part = max(1, things // (20 * PART))
    models = [anomaly.HalfSpaceTrees(seed=1) for _ in range(part)]
    names = [s.name for s in SIGNALS]

    def step(row: np.ndarray) -> None:
        for model, given in zip(models, row.tolist(), strict=True):
            one = dict(zip(names, given, strict=True))
            model.score_one(one)
            model.learn_one(one)

    return [_ms(lambda row=row: step(row)) * things / part for row in values(things)[:8, :part]]


def _row(what: str, own: list[float], peer: str, theirs: list[float] | None) -> dict[str, Any]:
    beside = None if theirs is None else float(np.median(theirs))
    return {"what": what, "ms": float(np.median(own)), "peer": peer or "-", "peer_ms": beside, "met": None}


def _ms(work: Callable[[], Any]) -> float:
    begun = time.process_time()
    work()
    return 1e3 * (time.process_time() - begun)


if __name__ == "__main__":
    for row in rows(*map(int, sys.argv[1:])):
        print(row)
