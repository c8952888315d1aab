"""Anomalies: detectors learn from the first rows or from a normal run and are asked the rest, in the order of time.

    rows(path, models, seeds, out, progress) -> (list[Row], {set: Champion})

Thresholds are points of the scores of rows that are held back from the rows to learn from; labels are looked at by the
metrics alone; nothing is set for one file. The champion is the detector that finds best what was put into training rows
(learn/detecting/choice.py), since nobody has labelled any there.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from loopwright.core import plug
from loopwright.core.errors import InputError, MissingExtra, StoreError
from loopwright.learn.detecting import choice, own_recordings, watched
from loopwright.learn.detecting.planted import KINDS
from loopwright.learn.detecting.recordings import RecordingSet
from loopwright.learn.rows import Champion, Cost, Row, done, measured, once, over_seeds
from loopwright.learn.tables.own_map import Mapped

ROOM = "learn.models.anomaly"
LAYOUTS = ("nab", "skab", "tennessee_eastman", "femto")
BASE = "chance"  # the trivial answer that every row stands beside; flag_all stands in the same table
DRAWN = ("chance",)  # models that depend on the seed
CHOSEN_ON = "anomalies put into training rows that the models did not learn from"
FEW = 80  # rows to learn from under which FEW_ROWS is the default
DEFAULT = "fused"  # the best on 12 labelled files of NAB, before the other sets were scored
CHOSEN = {"nab": ("fused", "12 labelled files of NAB outside the published table, the training files for this choice")}
FEW_ROWS = ("robust_z", "pca")  # need no stretch of rows: for one channel, for several
Say = Callable[[str], None]


def rows(
    path: Path, models: Sequence[str], seeds: int, out: Path | None, progress: Say,
    mapping: Mapped | None = None,
) -> tuple[list[Row], dict[str, Champion]]:
    """A row a model, and the champion. Raises InputError for a path of no layout."""
    asked = read(path, mapping)
    modules = _loaded(models, progress)
    found, said = [], {}
    for name, module in modules.items():
        progress(f"{asked.name}: {name}")
        try:
            row, told = _row(asked, name, module, seeds if name in DRAWN else 1, progress)
        except InputError as error:  # too few rows, too many channels: the others can still be told
            if name == BASE:
                raise
            progress(f"{name} is left out: {error}")
            continue
        found.append(done(progress, row))
        said[name] = told
    champion = choose(asked, {name: module for name, module in modules.items() if name in said}, progress)
    if out is not None:
        _write(asked, said, out)
    return found, {asked.name: champion} if champion is not None else {}


def read(path: Path, mapping: Mapped | None = None) -> RecordingSet:
    """The recordings of a layout, or of the user's own table."""
    if mapping is not None:
        return own_recordings.read(path, mapping)
    for name in LAYOUTS:
        layout = plug.load("learn.sets", name)
        if layout.recognises(path):
            recordings: RecordingSet = layout.read(path)
            return recordings
    raise InputError(str(path), "it is of no layout with anomalies", ", ".join(LAYOUTS))


def _loaded(models: Sequence[str], progress: Say) -> dict[str, ModuleType]:
    """The models by name, the baseline always among them; one whose library is not installed is told and left out."""
    found: dict[str, ModuleType] = {}
    tiny = np.sin(np.arange(40.0))[:, None]
    for name in [BASE, *(model for model in models if model != BASE)]:
        module = plug.load(ROOM, name)
        try:
            module.fit(tiny, 0)
        except MissingExtra as missing:
            progress(f"{name} is left out: {missing}")
            continue
        found[name] = module
    return found


def _row(
    asked: RecordingSet, name: str, module: ModuleType, seeds: int, progress: Say
) -> tuple[Row, list[watched.Told]]:
    """The model's row and what it said with the first seed."""
    results = []
    first: list[watched.Told] = []
    for seed in range(seeds):
        kept = once(progress, ("anomaly", asked.name, name, seed), partial(_said, asked, module, seed))
        results.append(kept["metrics"])
        first = first or [watched.Told(**told) for told in kept["said"]]
    mean, spread = over_seeds(results)
    rate = watched.rate_of(asked)
    where = f"{'normal run' if len(asked.recordings[0].calm) else 'held-back training rows'}, {rate:.1%} of them"
    notes = (*asked.notes, f"{', '.join(DRAWN)} alone draws at random: the others say the same with every seed")
    cost = Cost(**once(progress, ("anomaly", asked.name, name, "cost"), lambda: asdict(_cost(asked, module))))
    row = Row(asked.name, "anomaly", "", name, BASE, asked.split, seeds, mean, cost, spread, where, notes)
    return row, first


def _said(asked: RecordingSet, module: ModuleType, seed: int) -> dict[str, Any]:
    """What the model said of every recording, and its metrics; labels are looked at by the metrics alone."""
    said = watched.scored(module, asked, seed)
    return {"metrics": _metrics(asked, said), "said": [vars(told) for told in said]}


def _metrics(asked: RecordingSet, said: Sequence[watched.Told]) -> dict[str, float | None]:
    if asked.protocol == "life":
        return watched.lives(asked.recordings, said)
    told = watched.labelled(asked.recordings, said)
    pairs = [(r, s) for r, s in zip(asked.recordings, said, strict=True) if r.name in asked.published]
    if pairs:
        told["vus_pr_published_files"] = watched.mean([watched.vus_pr_of(r, s)[0] for r, s in pairs])
    if all(recording.name.startswith("fault_") for recording in asked.recordings):
        told |= watched.by_fault(asked.recordings, said)
    return told


def _cost(asked: RecordingSet, module: ModuleType) -> Cost:
    """Of one fit and of scoring, on the longest recording, once everything is compiled."""
    longest = max(asked.recordings, key=lambda recording: recording.asked.size)
    module.score(module.fit(longest.fit, 0), longest.asked[:2])
    with measured() as fitting:
        state = module.fit(longest.fit, 0)
    with measured() as scoring:
        module.score(state, longest.asked)
    us = 1e6 * scoring.cpu_s / longest.asked.size
    return Cost(fitting.cpu_s, us, max(fitting.peak_mb, scoring.peak_mb), fitting.wall_s)


def choose(
    asked: RecordingSet, modules: Mapping[str, ModuleType], progress: Say = lambda _: None
) -> Champion | None:
    """The detector that finds best what was put into training rows, or the default, unless it is clearly behind.

    The default is DEFAULT, or one of FEW_ROWS where fewer than FEW rows are learned from. A set of CHOSEN has its own.
    """
    ours = {name: module for name, module in modules.items() if not module.BASELINE}
    if not ours:
        return None
    if asked.name in CHOSEN and CHOSEN[asked.name][0] in ours:
        name, where = CHOSEN[asked.name]
        return Champion(name, where, {})
    default = default_of(asked)
    areas: dict[str, np.ndarray] = {}
    for name, module in ours.items():
        key = ("anomaly", asked.name, name, "planted")
        areas[name] = once(progress, key, partial(choice.on_planted, asked.recordings, module))
    if not next(iter(areas.values())).size:
        name = default if default in ours else next(iter(ours))
        return Champion(name, "a rule: there are too few training rows to put anomalies into", {})
    name = choice.best(areas, default)
    why = f"{CHOSEN_ON}: {len(areas[name])} cases of {len(KINDS)} kinds, mean VUS-PR {choice.told(areas)}"
    if name == default:
        why += f"; {default} stays unless another is ahead by two standard errors"
    return Champion(name, why, {f"vus_pr_{one}": float(values.mean()) for one, values in areas.items()})


def default_of(asked: RecordingSet) -> str:
    """The champion where the choice says nothing."""
    few = min(len(recording.fit) for recording in asked.recordings) < FEW
    return FEW_ROWS[asked.recordings[0].fit.shape[1] > 1] if few else DEFAULT


def _write(asked: RecordingSet, said: Mapping[str, Sequence[watched.Told]], out: Path) -> None:
    """<set>.csv: a line a recording, VUS-PR of each model and of the published table where it has the recording."""
    methods = sorted({name for row in asked.published.values() for name in row})
    try:
        with (out / f"{asked.name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["recording", *said, *(f"published {name}" for name in methods)])
            for n, recording in enumerate(asked.recordings):
                ours = [watched.vus_pr_of(recording, told[n])[0] for told in said.values()]
                theirs = [asked.published.get(recording.name, {}).get(name) for name in methods]
                writer.writerow([recording.name, *("" if v is None else f"{v:.4f}" for v in (*ours, *theirs))])
    except OSError as error:
        raise StoreError("--out", f"{out} cannot be written ({error.strerror})", "", "name another folder") from error
