"""Files become persons, points and events of a plant: each file parsed whole first, then kept, then counted.

bring(plant, "persons", path)      one file into an open plant
import_files("shots", paths, site_path)     what `loopwright import` runs
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from loopwright.app.plant import Plant, open_plant
from loopwright.app.site import site_of
from loopwright.core.errors import InputError, PlantBusy, UnknownName
from loopwright.core.pack import Imported, Importer, ImportOptions
from loopwright.core.types import Batch, Event, Person, Receipt, Thing

CUT_OFF = "row cut off or too long"  # what importers call a row with too few or too many cells
NO_WORK = "marks the start or end of an order, no work"  # what a log's importer says of such a row
KNOWN_OTHERWISE = "id is already known with other measures"
ThingOf = Callable[[str], Thing]


def importer(plant: Plant, what: str) -> Importer:
    """The importer of that name among the site's packs; UnknownName lists what there is."""
    known = {name: one for pack in plant.packs.values() for name, one in pack.importers.items()}
    if what not in known:
        raise UnknownName("what can be imported", what, known)
    return known[what]


def import_files(
    what: str, files: Sequence[Path], path: Path, thing: str = "", partly: bool = False,
    columns: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """Imports files into the plant of `--site PATH`; one row of counts for each. All are parsed before one is kept.

    columns our word -> the file's column, for files that may be mapped
    partly  keep what can be used of a file of which some rows cannot; otherwise that is an InputError
    """
    site = site_of(path)
    for file in files:
        if not file.exists():
            allowed = f"what `loopwright import {what} --help` names"
            raise InputError(str(file), "is not there", allowed, "check the name")
    try:
        with open_plant(site, actor=f"import:{what}") as plant:
            reader, options = importer(plant, what), options_of(plant, columns=columns or {})
            parsed = [reader(file, options) for file in files]
            for one in parsed:
                require_sound(plant, one, partly)
            return [keep(plant, one, named(one, thing, plant)) for one in parsed]
    except PlantBusy as busy:
        if columns:
            raise InputError("--column", "another process writes this plant", "no mapping over its API",
                             "end `loopwright run` first, or name the columns as usual") from None
        from loopwright.app.remote import import_there

        return import_there(site, busy, what, files, thing, partly)


def require_sound(plant: Plant, parsed: Imported, partly: bool) -> None:
    """Raises InputError for a file that somebody must look at: rows cut off, persons who cannot be or are others here.

    Rows that a device wrote without a result (a shot it did not see) are no fault of the file; they are only counted.
    """
    bad = {why: n for why, n in parsed.refused.items()
           if parsed.what == "persons" or why == CUT_OFF or (parsed.what == "log" and why != NO_WORK)}
    other = _known_otherwise(plant, parsed)
    if partly or not (bad or other):
        return
    count = sum(bad.values()) + len(other)
    lines = [note.removeprefix("refused: ") for note in parsed.notes if note.startswith("refused: ")]
    lines += [f"{KNOWN_OTHERWISE}: {', '.join(sorted(other)[:5])}"] if other else []
    raise InputError(parsed.path, f"{count:,} of {parsed.rows:,} rows cannot be used: {'; '.join(lines)}",
                     "rows that are whole and can be true",
                     "correct the file and import it again (nothing of it was kept), or keep the rest with --partly")


def options_of(plant: Plant, **changes: Any) -> ImportOptions:
    """What files do not say of themselves, as the site assumes it."""
    return replace(ImportOptions(time_zone=plant.site.time_zone, origin_ns=plant.site.origin_ns), **changes)


def read_file(plant: Plant, what: str, path: Path, **options: Any) -> Imported:
    """What stands in a file; nothing of it is kept yet."""
    return importer(plant, what)(path, options_of(plant, **options))


def bring(plant: Plant, what: str, path: Path, thing_of: ThingOf | None = None, **options: Any) -> dict[str, Any]:
    """Imports one file into an open plant; the row of counts that the report shows."""
    parsed = read_file(plant, what, path, **options)
    return keep(plant, parsed, thing_of or named(parsed, "", plant))


def named(parsed: Imported, thing: str, plant: Plant) -> ThingOf:
    """Which thing a key of the file stands for: the one that was named, else one made from the key."""
    known = plant.store.things()
    if thing and thing not in known:
        raise UnknownName("unit", thing, known)

    def of(key: str) -> Thing:
        if thing:
            return known[thing]
        slug = re.sub(r"[^a-z0-9]+", "-", key.lower()).strip("-") or "unnamed"
        return known.get(slug) or Thing(slug, kind_of(parsed, key, plant), labels={"key": key})

    return of


def kind_of(parsed: Imported, key: str, plant: Plant) -> str:
    """The kind of thing that says what the file says of a key: of all that have its signals, the one with fewest."""
    assert parsed.table is not None
    mine = parsed.table.filter(pc.equal(parsed.table.column("thing"), key))
    said = set(mine.column("signal").unique().to_pylist())
    fits = [kind for kind in plant.store.kinds().values() if said <= {signal.name for signal in kind.signals}]
    if not fits:
        raise InputError(
            parsed.path,
            f"no kind of thing of this plant says {', '.join(sorted(said)[:5])}",
            ", ".join(plant.store.kinds()),
            "name the pack in [site] packs, or the kind in [[kind]]",
        )
    return min(fits, key=lambda kind: len(kind.signals)).name


def keep(plant: Plant, parsed: Imported, thing_of: ThingOf) -> dict[str, Any]:
    """Stores what was parsed, and records the file with its counts."""
    row: dict[str, Any] = {
        "what": parsed.what,
        "path": Path(parsed.path).name,
        "hash": parsed.hash,
        "rows": parsed.rows,
        "stored": 0,
        "duplicate": parsed.duplicate,
        "refused": dict(parsed.refused),
        "notes": list(parsed.notes),
        "assumed": dict(parsed.assumed),
    }
    if parsed.persons:
        _keep_persons(plant, parsed, row)
    if parsed.table is not None and parsed.table.num_rows:
        receipt = _keep_points(plant, parsed, thing_of, row)
        row.update(
            samples_stored=receipt.stored,
            samples_duplicate=receipt.duplicate,
            samples_late=receipt.late,
            samples_refused={why: n for why, n in receipt.refused.items() if why not in parsed.refused},
        )
    if parsed.events:
        last_ns = plant.store.events.last_known_ns()
        new = sum(event.known_ns > last_ns for event in plant.store.record(list(parsed.events)))
        if parsed.table is None:
            row["stored"], row["duplicate"] = row["stored"] + new, row["duplicate"] + len(parsed.events) - new
    row["says"] = _says(row)
    plant.record("file.imported", parsed.hash[:16], row)
    return row


def _keep_persons(plant: Plant, parsed: Imported, row: dict[str, Any]) -> None:
    """New persons are kept; the same again is a duplicate; other measures under a known id are refused."""
    other = _known_otherwise(plant, parsed)
    known = {p.id for p in plant.store.people.find(ids=[p.id for p in parsed.persons])}
    new = [person for person in parsed.persons if person.id not in known]
    row["duplicate"] += len(known) - len(other)
    if other:
        row["refused"][KNOWN_OTHERWISE] = len(other)
    t_ns = plant.clock.now_ns()
    plant.store.record(
        [  # before they are saved: whoever dies between the two says and saves them again
            Event(
                "person.added",
                p.id,
                t_ns,
                plant.actor,
                {"source": Path(parsed.path).name, "measures_hash": _salted(p), "handedness": p.handedness},
                key=f"person.added/{p.id}",
            )
            for p in new
        ]
    )
    plant.store.people.save(new)
    row["stored"] += len(new)


def _known_otherwise(plant: Plant, parsed: Imported) -> set[str]:
    """Ids of the file that stand for a person of other measures in the plant."""
    known = {p.id: p for p in plant.store.people.find(ids=[p.id for p in parsed.persons])} if parsed.persons else {}
    return {p.id for p in parsed.persons if p.id in known
            and (dict(known[p.id].measures), known[p.id].handedness) != (dict(p.measures), p.handedness)}


def _salted(person: Person) -> str:
    """A hash that says nothing of the measures to whoever reads the ledger: the salt is thrown away with the person."""
    salt = secrets.token_bytes(16)
    return hashlib.sha256(salt + json.dumps(asdict(person), sort_keys=True).encode()).hexdigest()


def _keep_points(plant: Plant, parsed: Imported, thing_of: ThingOf, row: dict[str, Any]) -> Receipt:
    assert parsed.table is not None
    keys = parsed.table.column("thing").unique().to_pylist()
    things: Mapping[str, Thing] = {key: thing_of(key) for key in keys}
    plant.add(things.values())
    table = renamed(parsed.table, {key: thing.id for key, thing in things.items()})
    refused = {reason: n for reason, n in parsed.refused.items() if n}
    how = [sorted((key, thing.id) for key, thing in things.items()), parsed.assumed]  # read otherwise, it is another
    digest = hashlib.sha256((parsed.hash + json.dumps(how, sort_keys=True, default=str)).encode()).hexdigest()
    source = f"files/{digest[:16]}"
    batch = Batch("files", source, 0, table, sent=table.num_rows + sum(refused.values()), refused=refused)
    receipt = plant.store.put(batch)
    plant.store.note_sent("files", batch.source, batch.sent)
    distinct = table.group_by(["thing", "signal", "t_ns", "n"]).aggregate([]).num_rows
    rows = table.group_by(["thing", "t_ns", "n"]).aggregate([]).num_rows  # a row of the file has a key of its own
    row["stored"] = round(rows * receipt.stored / distinct)
    row["duplicate"] = parsed.rows - sum(refused.values()) - row["stored"]
    row["things"] = {key: thing.id for key, thing in things.items()}
    return receipt


def renamed(table: pa.Table, names: Mapping[str, str]) -> pa.Table:
    """The table with the keys of its things replaced."""
    column = table.column("thing").combine_chunks().dictionary_encode()
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    words = pa.array([names[word] for word in column.dictionary.to_pylist()])
    return table.set_column(table.column_names.index("thing"), "thing", pc.take(words, column.indices))


def _says(row: Mapping[str, Any]) -> str:
    refused = sum(row["refused"].values())
    text = f"{row['path']}: {row['rows']:,} rows of {row['what']}, {row['stored']:,} stored"
    text += f", {row['duplicate']:,} duplicate"
    text += f", {refused:,} refused"
    if row["refused"]:
        text += " (" + "; ".join(f"{why}: {n}" for why, n in row["refused"].items()) + ")"
    values = [f"{n:,} values refused: {why}" for why, n in row.get("samples_refused", {}).items()]
    return "; ".join([text, *values, *row["notes"]])


def imports_in_words(rows: Sequence[Mapping[str, Any]]) -> str:
    """What `loopwright import` prints."""
    return "\n".join(row["says"] for row in rows)


def found(data: Path | None, globs: Sequence[str], what: str, missing: list[str] | None = None) -> list[Path]:
    """The files below the data folder that the site's globs name, sorted.

    missing  where a sentence is put when there is none; without it that is an InputError
    """
    if data is None or not globs:
        return []
    if not data.is_dir():
        raise InputError(
            f"--data {data}",
            "is not a folder" if data.exists() else "there is no such folder",
            "a folder that holds the site's inputs",
        )
    files = sorted({path for glob in globs for path in data.glob(glob) if path.is_file()})
    if not files and missing is not None:
        missing.append(f"{data} holds no {what} ({', '.join(globs)})")
    elif not files:
        raise InputError(f"--data {data}", f"holds no {what}", ", ".join(globs), "correct [input] in the site file")
    return files
