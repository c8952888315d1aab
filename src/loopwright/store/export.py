"""Everything a plant holds, as plain files that any program reads: Parquet or CSV, JSON lines for events.

    export.json          what was asked for, the moment, and the list of parts: a run that was stopped goes on by it
    points/kind=mill/    rows that stand, a part of some things after the other; points_replaced: what was corrected
    blocks/ ...          the same of fast signals
    events.jsonl         every event, in the order of its chain; models/: trained models by their SHA-256
    kinds.json, things.json, signals.csv, README.md, index.json (written last: rows, bytes and SHA-256 of every file)

The moment is the journal's newest known_ns when the export began: rows of later batches are left out, whenever the
parts are written. Memory holds one part at a time.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pyarrow as pa
import sqlalchemy as sa

from loopwright.core.clock import iso
from loopwright.core.errors import InputError, NotAllowed, StoreError, UnknownName
from loopwright.core.types import Event
from loopwright.store import exported
from loopwright.store.backup import Progress, quiet
from loopwright.store.catalogue import kind_as_dict
from loopwright.store.place import durable
from loopwright.store.read import Names, Wanted, listed, rows_of
from loopwright.store.schema import events as _events
from loopwright.store.schema import told

if TYPE_CHECKING:
    from loopwright.store.cellar import Store

WHAT = ("points", "blocks", "events", "models", "people")
FORMATS = ("parquet", "csv")
_SAMPLES = 500_000  # in a part
_KEY = ("thing", "signal", "t_ns", "n")
_STATE, _DONE, _INDEX = "export.json", "done.jsonl", "index.json"


@dataclass(frozen=True)
class Part:
    """Rows of some things, of one kind and table, that one file holds. low, high: low <= t_ns < high (None: open)."""

    table: str
    kind: str
    things: tuple[str, ...]
    low: int | None = None
    high: int | None = None
    rows: int = 0


def export(
    store: Store, dest: Path, *, form: str = "parquet", things: Names = None, signals: Names = None,
    start_ns: int | None = None, end_ns: int | None = None,
    what: Sequence[str] = ("points", "blocks", "events", "models"),
    progress: Progress = quiet, by: str = "", why: str = "",
) -> dict[str, Any]:
    """Writes the plant, or a part of it, into the new folder `dest`; or goes on with what stands there half done.

    things, signals, start_ns, end_ns  which points and blocks (None: all); events are always all of them, for the chain
    what       some of WHAT. 'people' needs by (who asks) and why, recorded as event plant.exported
    returns    rows by table, files, bytes: what index.json says
    Raises InputError for a folder that holds something else, UnknownName, NotAllowed, StoreError when it cannot be
    written; run it again then.
    """
    dest = Path(dest).absolute()
    asked = _asked(store, form, things, signals, (start_ns, end_ns), what)
    if "people" in what and not (by and why):
        raise NotAllowed("export of people", "nobody says who takes it and why", "", "name both: by, why")
    try:
        state = _state(store, dest, asked)
        if (dest / _INDEX).is_file():
            return dict(json.loads((dest / _INDEX).read_text("utf-8")))
        return _Writer(store, dest, state, progress).run(by, why)
    except OSError as error:
        raise StoreError(
            f"export {dest}", f"it cannot be written ({error.strerror})", "a disk with room, that you may write",
            "free it and run this again; it goes on",
        ) from error


def _copied(source: Path, path: Path) -> int:
    shutil.copyfile(source, path)
    return 1


def _asked(
    store: Store, form: str, things: Names, signals: Names, times: tuple[int | None, int | None], what: Sequence[str]
) -> dict[str, Any]:
    for name, known in [(form, FORMATS), *((one, WHAT) for one in what)]:
        if name not in known:
            raise UnknownName("export", name, known)
    chosen = {"things": listed(things), "signals": listed(signals)}
    for name in chosen["things"] or []:
        if name not in store.things():
            raise UnknownName("thing", name, store.things())
    every = {signal.name for kind in store.kinds().values() for signal in kind.signals}
    for name in chosen["signals"] or []:
        if name not in every:
            raise UnknownName("signal", name, every)
    return {"form": form, **chosen, "start_ns": times[0], "end_ns": times[1], "what": sorted(set(what))}


def _state(store: Store, dest: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """What is to be written, from the folder if it stands there already."""
    path = dest / _STATE
    if path.is_file():
        state = dict(json.loads(path.read_text("utf-8")))
        if state["asked"] != asked or state["plant"] != store._journal.meta("plant"):
            given = "it holds another export" if (dest / _INDEX).is_file() else "another export was begun there"
            raise InputError(f"export {dest}", given, "a new folder", "name another folder")
        return state
    if dest.exists() and (not dest.is_dir() or any(dest.iterdir())):
        raise InputError(f"export {dest}", "it is not empty", "a new folder")
    if dest.resolve().is_relative_to(store.path.resolve()):
        raise InputError(f"export {dest}", "it is inside the plant", "a folder outside it")
    if not store.read_only:
        store.flush()
    store._look_again()
    upto = int(store._journal.meta("known_ns", "0"))
    with told("read"), store._engine.connect() as connection:
        newest = connection.execute(sa.select(sa.func.coalesce(sa.func.max(_events.c.number), 0))).scalar_one()
    tables = [name for name in ("points", "blocks") if name in asked["what"]]
    parts = [vars(part) for name in tables for part in _parts(store, name, asked, upto)]
    state = {
        "asked": asked, "plant": store._journal.meta("plant"), "upto": upto, "events": newest, "parts": parts,
    }
    dest.mkdir(parents=True, exist_ok=True)
    exported.whole(path, json.dumps(state))
    return state


def _wanted(asked: Mapping[str, Any], things: Iterable[str] | None = None, low: Any = None, high: Any = None) -> Wanted:
    start = [t for t in (asked["start_ns"], low) if t is not None]
    end = [t for t in (asked["end_ns"], high) if t is not None]
    return Wanted(
        asked["things"] if things is None else list(things), asked["signals"], max(start, default=None),
        min(end, default=None),
    )


def _parts(store: Store, name: str, asked: Mapping[str, Any], upto: int) -> Iterator[Part]:
    """The rows of a table cut into parts of some things, or of some time where one thing is large."""
    view = store._view(name == "blocks", _wanted(asked))
    weight = "samples" if name == "blocks" else "1"
    rows = rows_of(view, "tail", _wanted(asked), ["thing", f"{weight} AS weight"], f"batch <= {upto}")
    sql = f"SELECT thing, count(*)::BIGINT AS rows, sum(weight)::BIGINT AS n FROM ({rows}) GROUP BY ALL ORDER BY thing"
    known = store.things()
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for row in store._reader.run(sql, {"tail": view.tail}).to_pylist():
        by_kind.setdefault(known[row["thing"]].kind if row["thing"] in known else "", []).append(row)
    for kind, found in sorted(by_kind.items()):
        taken: list[dict[str, Any]] = []
        for row in [*found, None]:
            if taken and (row is None or sum(one["n"] for one in taken) + row["n"] > _SAMPLES):
                yield Part(name, kind, tuple(one["thing"] for one in taken), rows=sum(one["rows"] for one in taken))
                taken = []
            if row is not None and row["n"] > _SAMPLES:
                cuts = [None, *_cuts(store, view, asked, row, upto), None]
                for low, high in pairwise(cuts):
                    yield Part(name, kind, (row["thing"],), low, high, row["rows"] // (len(cuts) - 1))
            elif row is not None:
                taken.append(row)


def _cuts(store: Store, view: Any, asked: Mapping[str, Any], row: Mapping[str, Any], upto: int) -> list[int]:
    """Times that cut the rows of one thing into even parts."""
    pieces = -(-row["n"] // _SAMPLES)
    rows = rows_of(view, "tail", _wanted(asked, [row["thing"]]), ["t_ns"], f"batch <= {upto}")
    sql = f"SELECT unnest(quantile_disc(t_ns, {[i / pieces for i in range(1, pieces)]})) AS cut FROM ({rows})"
    return sorted(set(store._reader.run(sql, {"tail": view.tail}).column("cut").to_pylist()))


class _Writer:
    """Writes what a state asks for; `done` names the files that stand already."""

    def __init__(self, store: Store, dest: Path, state: dict[str, Any], progress: Progress) -> None:
        self._store, self._dest, self._state, self._progress = store, dest, state, progress
        self._asked = state["asked"]
        self._log = dest / _DONE
        self._files: dict[str, dict[str, Any]] = {}
        if self._log.is_file():
            for line in self._log.read_text("utf-8").splitlines():
                try:
                    row = json.loads(line)
                except ValueError:  # the last line of a run that was killed
                    break
                if (dest / row["file"]).is_file() and (dest / row["file"]).stat().st_size == row["bytes"]:
                    self._files[row["file"]] = row
        self._rows = sum(row["rows"] for row in self._files.values())
        self._total = sum(part["rows"] for part in state["parts"]) + state["events"] * ("events" in self._asked["what"])

    def run(self, by: str, why: str) -> dict[str, Any]:
        """All of it; what index.json says."""
        exported.tables(self._dest, self._store.kinds().values(), self._store.things().values(), kind_as_dict)
        for number, part in enumerate(self._state["parts"]):
            self._part(number, Part(**{**part, "things": tuple(part["things"])}))
        if "events" in self._asked["what"]:
            self._keep("events", "events.jsonl", self._events)
        if "models" in self._asked["what"]:
            for path in sorted((self._store.path / "models").glob("[0-9a-f]*")):
                self._keep("models", f"models/{path.name}", partial(_copied, path))
        if "people" in self._asked["what"]:
            self._people(by, why)
        exported.readme(self._dest, self._asked["form"], self._asked["what"])
        index = {
            "plant": self._state["plant"], "known_by_ns": self._state["upto"], "known_by": iso(self._state["upto"]),
            **{name: self._asked[name] for name in ("form", "things", "signals", "start_ns", "end_ns", "what")},
            "rows": {name: sum(row["rows"] for row in self._files.values() if row["table"] == name)
                     for name in sorted({row["table"] for row in self._files.values()})},
            "bytes": sum(row["bytes"] for row in self._files.values()), "files": list(self._files.values()),
        }
        exported.whole(self._dest / _INDEX, json.dumps(index, indent=1))
        self._log.unlink(missing_ok=True)
        return index

    def _part(self, number: int, part: Part) -> None:
        """The rows of a part that stand, and those that were replaced."""
        ending = self._asked["form"]
        for table, standing in ((part.table, True), (f"{part.table}_replaced", False)):
            kind = quote(part.kind, safe="")
            if len(kind) > 100:  # names of files end somewhere
                kind = f"{kind[:60]}-{hashlib.sha256(part.kind.encode()).hexdigest()[:16]}"
            name = f"{table}/kind={kind}/part-{number:06}.{ending}"
            if standing or self._store._memory.books.corrected:
                self._keep(table, name, partial(self._rows_to, part, standing))

    def _rows_to(self, part: Part, standing: bool, path: Path) -> int:
        rows = self._store._again(lambda: self._read(part, standing))
        if rows.num_rows or standing:
            exported.write(path, rows, self._asked["form"], self._store.kinds().get(part.kind))
        return rows.num_rows

    def _read(self, part: Part, standing: bool) -> pa.Table:
        store, upto = self._store, self._state["upto"]
        wanted = _wanted(self._asked, part.things, part.low, part.high)
        view = store._view(part.table == "blocks", wanted)
        names = [f'"{name}"' for name in view.tail.schema.names]
        rows = rows_of(view, "tail", wanted, names, f"batch <= {upto}")
        order = f"ORDER BY {', '.join(_KEY)}, batch"
        sql = f"SELECT * FROM ({rows}) {order}"
        if store._memory.books.corrected:
            newest = rows_of(view, "tail", wanted, [*_KEY, "batch"], f"batch <= {upto} AND correction > ''")
            same = " AND ".join(f"a.{name} = c.{name}" for name in _KEY)
            sql = (
                f"SELECT a.* FROM ({rows}) AS a {'ANTI' if standing else 'SEMI'} JOIN (SELECT {', '.join(_KEY)}, "
                f"max(batch) AS newest FROM ({newest}) GROUP BY ALL) AS c ON {same} AND a.batch < c.newest {order}"
            )
        return store._reader.run(sql, {"tail": view.tail}).cast(view.tail.schema)

    def _events(self, path: Path) -> int:
        query = sa.select(_events).where(_events.c.number <= self._state["events"]).order_by(_events.c.number)
        rows = 0
        with told("read"), self._store._engine.connect() as connection, path.open("w", encoding="utf-8") as file:
            for row in connection.execution_options(yield_per=5000).execute(query).mappings():
                body = {"body": json.loads(row["body"]), "because": json.loads(row["because"])}
                file.write(json.dumps({**row, **body}, ensure_ascii=False) + "\n")
                rows += 1
                if rows % 20_000 == 0:
                    self._progress("events.jsonl", self._rows + rows, self._total)
        return rows

    def _people(self, by: str, why: str) -> None:
        persons = self._store.people.find()
        body = {"what": "people", "why": why, "persons": len(persons)}
        key = "export/" + hashlib.sha256(f"{self._dest}{self._state['upto']}".encode()).hexdigest()[:16]
        now_ns = self._store._clock.now_ns()
        self._store.record([Event("plant.exported", self._state["plant"], now_ns, by, body, key=key)])

        def written(path: Path) -> int:
            path.touch(0o600)
            path.write_text("".join(json.dumps(vars(p), default=dict) + "\n" for p in persons), "utf-8")
            return len(persons)

        self._keep("people", "people.jsonl", written)

    def _keep(self, table: str, name: str, write: Callable[[Path], int]) -> None:
        """Writes a file under another name, and gives it its own when it is whole."""
        if name in self._files:
            return
        path, half = self._dest / name, self._dest / f"{name}.part"
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = write(half)
        if half.is_file():
            durable([half])
            half.replace(path)
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            row = {"file": name, "table": table, "rows": rows, "bytes": path.stat().st_size, "sha256": digest}
            with self._log.open("a", encoding="utf-8") as log:
                log.write(json.dumps(row) + "\n")
                log.flush()
                os.fsync(log.fileno())
            self._files[name] = row
        self._rows += rows
        self._progress(name, min(self._rows, self._total), self._total)
