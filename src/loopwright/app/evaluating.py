"""What `loopwright evaluate` does: finds the layouts in a folder and has the task's proof score the models on each."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from loopwright.core import plug
from loopwright.core.errors import InputError, LoopwrightError, StoreError, UnknownName
from loopwright.learn.kept import results
from loopwright.learn.rows import PEER, Champion, Progress, Row, document
from loopwright.learn.tables import own_map
from loopwright.learn.tables.own_map import Own

ROOM = {"life": "life", "forecast": "forecast", "anomaly": "anomaly", "class": "classes"}  # task -> its folder
Say = Callable[[str], None]


@dataclass(frozen=True)
class Asked:
    """What was asked on the command line.

    task    one of ROOM
    data    where the set is
    models  names, or ('all',)
    seeds   how many fits
    out     a folder for files, or None
    pairs   what a CSV's columns are: 'unit=engine', or one TOML file
    """

    task: str
    data: Path
    models: tuple[str, ...]
    seeds: int
    out: Path | None = None
    pairs: tuple[str, ...] = ()


def evaluated(asked: Asked, say: Say) -> dict[str, Any]:
    """The document of `rows.document`, with `skipped` for sets that could not be scored while others could.

    With `out` each result is kept there as soon as it is there, and taken up by the next start on the same data.
    Ctrl-C ends it early: the rows so far, `stopped` true.
    """
    found = layouts(asked.data, asked.task, bool(asked.pairs))
    proof = _proof(asked.task)
    models = named(asked.task, asked.models, getattr(proof, "PEERS", ()))
    mapping = own_map.told(asked.pairs, asked.task) if asked.pairs else None
    _folder(asked.out)
    rows: list[Row] = []
    champion: dict[str, Champion] = {}
    skipped: dict[str, str] = {}
    finished = True
    for n, (name, path) in enumerate(found, 1):
        if len(found) > 1:
            say(f"[{n}/{len(found)}] {name}: {path}")
        progress = Progress(say)
        try:
            progress.shelf = _shelf(name, path, asked, mapping, say)
            more, best = _rows(proof, path, models, asked, progress, mapping)
        except KeyboardInterrupt:
            say(_stopped(asked.out))
            rows, finished = rows + progress.rows, False
            break
        except LoopwrightError as error:
            if len(found) == 1:
                raise
            say(f"{name}: {error}")
            skipped[str(path)] = str(error)
            continue
        rows += more
        champion |= best
    if not rows and finished:
        raise InputError(str(asked.data), "; ".join(skipped.values()), "", "no set could be scored")
    told = document(rows, champion, finished) | ({"skipped": skipped} if skipped else {})
    if asked.out is not None:
        _write(asked.out / "rows.json", told)
    return told


def _stopped(out: Path | None) -> str:
    kept = "--out DIR keeps what is done" if out is None else f"what is done is kept in {out}"
    return f"stopped: the rows so far; start it again for the rest ({kept})"


def _rows(
    proof: ModuleType, path: Path, models: Sequence[str], asked: Asked, progress: Progress, mapping: Own | None
) -> tuple[list[Row], Mapping[str, Champion]]:
    """The rows of one set; a CSV's mapping goes only to a proof that takes one."""
    more: dict[str, Any] = {}
    if mapping is not None:
        more["mapping"] = mapping
        if "mapping" not in inspect.signature(proof.rows).parameters:
            raise InputError("--map", f"evaluate {asked.task} does not read a CSV of your own yet", "",
                             f"one of its layouts: {', '.join(_of_task(asked.task))}")
    rows, champion = proof.rows(path, list(models), asked.seeds, asked.out, progress, **more)
    return list(rows), champion


def _shelf(name: str, path: Path, asked: Asked, mapping: Own | None, say: Say) -> results.Shelf | None:
    """Where the results of one set are kept: DIR/kept/<task>/<layout>, with the folder's name where there are several.

    What they rest on: the bytes of the data, the program and its libraries, the mapping.
    """
    if asked.out is None:
        return None
    place = name if path == asked.data else f"{name}-{path.name}"
    made_of = {
        "the data": results.fingerprint(path, asked.out),
        "the program": results.program(),
        "the mapping": "" if mapping is None else repr(mapping),
    }
    return results.opened(asked.out / "kept" / asked.task / place, made_of, say)


def _proof(task: str) -> ModuleType:
    """The module of learn/proof that scores the task."""
    name = f"loopwright.learn.proof.{ROOM[task]}"
    if find_spec(name) is None:
        raise InputError(f"evaluate {task}", "this version cannot score it yet")
    return import_module(name)


def named(task: str, wanted: Sequence[str], peers: Sequence[str] = ()) -> list[str]:
    """Names of models to score, baselines first and always among them; UnknownName lists what there is.

    wanted  names of learn/models/<task>, 'peer:<package>' of those the proof knows, or 'all': all of ours
    """
    room = f"learn.models.{ROOM[task]}"
    ours = sorted(plug.find(room))
    others = [peer if peer.startswith(PEER) else PEER + peer for peer in peers]
    for name in wanted:
        if name != "all" and name not in ours and name not in others:
            raise UnknownName(f"model of {task}", name, ["all", *ours, *others])
    base = [name for name in ours if getattr(plug.load(room, name), "BASELINE", False)]
    chosen = set(ours if "all" in wanted else ()) | set(wanted)
    return [*base, *(name for name in [*ours, *others] if name in chosen and name not in base)]


def layouts(data: Path, task: str, own: bool) -> list[tuple[str, Path]]:
    """(layout, path) of every set of the task that stands in `data`: the path itself, else each folder in it.

    own  the file is the user's, told by --map
    Raises InputError that lists the layouts and the files each needs.
    """
    if not data.exists():
        raise InputError("--data", f"{data} is not there", "a folder of a known layout, or a CSV", _needs(task))
    if own:
        return [("csv", data)]
    try:
        here = _recognised(data, task)
        inside = sorted(path for path in data.iterdir() if path.is_dir()) if data.is_dir() and not here else []
        found = [(here[0], data)] if here else [(names[0], at) for at in inside if (names := _recognised(at, task))]
    except OSError as error:
        given = f"{error.filename or data} cannot be read ({error.strerror})"
        raise InputError("--data", given, "a folder that can") from error
    if not found:
        raise InputError("--data", f"{data} is of no layout that can be scored for {task}{_other(data, task)}",
                         _needs(task), "a table of your own is told by --map (see: loopwright evaluate --help)")
    return found


def _of_task(task: str) -> list[str]:
    """Names of the layouts that serve a task, those of public sets before a user's own CSV."""
    there = {name: plug.load("learn.sets", name) for name in sorted(plug.find("learn.sets"))}
    names = [name for name, module in there.items() if task in getattr(module, "TASKS", ())]
    return sorted(names, key=lambda name: (name == "csv", name))


def _recognised(path: Path, task: str) -> list[str]:
    return [name for name in _of_task(task) if plug.load("learn.sets", name).recognises(path)]


def _other(data: Path, task: str) -> str:
    """' (it is nab, for anomaly)' where the layout is known but serves another task."""
    for other in ROOM:
        names = [name for name in _recognised(data, other) if name != "csv"] if other != task else []
        if names:
            return f" (it is {names[0]}, for {other})"
    return ""


def _needs(task: str) -> str:
    """Every layout of the task and what it needs."""
    return "; ".join(
        f"{name}: {getattr(plug.load('learn.sets', name), 'NEEDS', 'see its page')}" for name in _of_task(task)
    )


def _folder(path: Path | None) -> None:
    """Makes the folder for results, where one is asked for."""
    if path is None:
        return
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError("--out", f"{path} cannot be made ({error.strerror})", "", "name another folder") from error


def _write(path: Path, told: Mapping[str, Any]) -> None:
    try:
        part = path.with_name(path.name + ".part")
        part.write_text(json.dumps(told, indent=2, allow_nan=False) + "\n", "utf-8")
        part.replace(path)
    except OSError as error:
        raise StoreError(str(path), f"it cannot be written ({error.strerror})", "", "name another folder") from error
