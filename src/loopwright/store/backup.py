"""Hot backup: the plant as it stood at one instant, beside whoever writes it, into a folder of generations.

    DEST/backup.json                which plant it is of
    DEST/generations/000007.json    manifest: every file with its hash, the equation of every hop, head of the chain
    DEST/files/ab/ab12...           each content once, named by its SHA-256; generations share them
    DEST/half/                      what is being written; anything in it may be deleted

The manifest is written last, in one rename: a generation is whole or is not there. Files of Delta tables never change
under their name, so the next backup reads only those that are new. A backup after an erasure removes the generations
from before it, because they still hold what was to be erased.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from loopwright.core.clock import Clock, RealClock, iso
from loopwright.core.errors import InputError, StoreError, UnknownName
from loopwright.store.journal import reading_uri
from loopwright.store.pin import JOURNAL, LIVE, LOG, Moved, Part, State, copy_database, pinned
from loopwright.store.place import durable
from loopwright.store.shared import bring_home

if TYPE_CHECKING:
    from loopwright.store.cellar import Store

FORMAT = 1
_CHUNK = 1 << 20
_TRIES = 5
Progress = Callable[[str, int, int], None]  # what is done, bytes or rows so far, in all


def quiet(what: str, done: int, total: int) -> None:
    """No progress is shown."""


@dataclass
class Backup:
    """One backup folder, held by this process."""

    folder: Path
    progress: Progress = quiet
    done: int = 0
    total: int = 0
    copied: dict[str, int] = field(default_factory=lambda: {"files": 0, "bytes": 0})
    fixed: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)  # taken already, where a try failed

    @property
    def half(self) -> Path:
        return self.folder / "half"

    def holds(self, entry: Mapping[str, Any]) -> bool:
        """Whether the content of a manifest's entry is here, in full length."""
        path = content(self.folder, entry["sha256"])
        return path.is_file() and path.stat().st_size == entry["bytes"]

    def put(self, part: Part) -> dict[str, Any]:
        """Copies one file, hashing it; its entry of the manifest."""
        new = self.half / "file"
        digest, size = hashlib.sha256(), 0
        with part.opened() as source, new.open("wb") as target:
            mode = os.fstat(source.fileno()).st_mode & 0o777
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                target.write(chunk)
                size += len(chunk)
                self.step(part.path, len(chunk))
        entry: dict[str, Any] = {"path": part.path, "sha256": digest.hexdigest(), "bytes": size, "mode": mode}
        if part.rows is not None:
            entry["rows"] = part.rows
        if self.holds(entry):
            new.unlink()
            return entry
        path = content(self.folder, entry["sha256"])
        path.parent.mkdir(parents=True, exist_ok=True)
        durable([new])
        new.replace(path)
        durable([path.parent])
        self.copied["files"] += 1
        self.copied["bytes"] += size
        return entry

    def step(self, what: str, size: int) -> None:
        self.done += size
        self.progress(what, min(self.done, self.total), self.total)


def backup(
    plant: Path | Store, dest: Path, *, events_url: str = "", keep: int = 0, progress: Progress = quiet,
    clock: Clock | None = None, beside: Mapping[str, Path] | None = None,
) -> dict[str, Any]:
    """Adds a generation of a plant to the backups in `dest`; gives its manifest, and what it cost.

    plant       its folder, which another process may write, or its store, open in this one
    events_url  where events and people stand, when not in the folder
    keep        how many generations stay; 0: all
    beside      further files that belong to it (the site file): name -> path; they go into its folder `site`
    Raises InputError for a folder that cannot be used, StoreError when something cannot be read or written; what
    stood in `dest` before is whole then, and the next try goes on where this one ended.
    """
    guard = None if isinstance(plant, Path) else plant._flushing
    if not isinstance(plant, Path) and not plant.read_only:
        with plant._lock:
            plant._memory.save()  # so that the copy is opened quickly
    plant = (plant if isinstance(plant, Path) else plant.path).absolute()
    dest, clock = Path(dest).absolute(), clock or RealClock()
    _usable(plant, dest)
    try:
        with _held(dest, plant) as into:
            into.progress = progress
            manifest = _instant(into, lambda: pinned(plant, guard, events_url), beside or {}, clock)
            _write(into.folder / "generations" / f"{manifest['generation']:06}.json", _sealed(manifest))
            removed = _tidy(dest, keep, manifest)
            return {**manifest, "copied": into.copied, "removed": removed}
    except OSError as error:
        stands = [number for number, _ in generations(dest)] if dest.is_dir() else []
        raise StoreError(
            f"backup {dest}", f"it cannot be written ({error.strerror})", "a disk with room, that you may write",
            f"free it and run this again, it goes on; generation {stands[-1]} is whole" if stands else
            "free it and run this again, it goes on; there is no earlier generation",
        ) from error


def _instant(
    into: Backup, pin: Callable[[], AbstractContextManager[State]], beside: Mapping[str, Path], clock: Clock
) -> dict[str, Any]:
    """Copies what stands at one instant; another one where files of the first go while they are copied."""
    why = ""
    for _ in range(_TRIES):
        try:
            with pin() as state:
                for name, path in beside.items():
                    state.others.append(Part(f"site/{name}", path, path.stat().st_size, False))
                return _generation(into, state, clock)
        except Moved as error:
            why = str(error)
    raise StoreError(f"backup {into.folder}", f"the plant cannot be copied ({why})", "",
                     "run `loopwright doctor`, then this again")


def generations(dest: Path) -> list[tuple[int, Path]]:
    """(number, manifest) of every whole generation, oldest first."""
    return sorted((int(path.stem), path) for path in (dest / "generations").glob("[0-9]*.json"))


def content(dest: Path, sha256: str) -> Path:
    """Where a content stands."""
    return dest / "files" / sha256[:2] / sha256


def read_manifest(path: Path) -> dict[str, Any]:
    """A manifest, checked against its own hash. Raises StoreError when it was changed."""
    try:
        text = json.loads(path.read_text("utf-8"))
        found = text.pop("sha256")
        whole = found == _digest(text) and text["format"] == FORMAT
    except (OSError, ValueError, KeyError, AttributeError):
        whole = False
    paths = [PurePosixPath(entry["path"]) for entry in text["files"]] if whole else []
    if not whole or any(path.is_absolute() or ".." in path.parts for path in paths):
        raise StoreError(f"backup {path}", "this manifest was changed, or is not of a backup", "",
                         "use another generation: --generation")
    return dict(text)


def chosen(backup: Path, generation: int | None) -> dict[str, Any]:
    """The manifest of a generation, None: the newest. InputError when there is none."""
    stand = dict(generations(backup)) if (backup / "backup.json").is_file() else {}
    if not stand:
        raise InputError(f"backup {backup}", "there is no whole generation in it", "a folder that `backup` wrote")
    number = max(stand) if generation is None else generation
    if number not in stand:
        raise UnknownName("generation", str(number), map(str, stand))
    return read_manifest(stand[number])


def lay_out(
    dest: Path, manifest: Mapping[str, Any], target: Path, link: bool, place: Callable[[Any, Path], None]
) -> None:
    """Makes the plant of a manifest in folder `target`: data files of tables linked to the backup, or placed.

    place  writes the content of an entry to a path
    """
    for entry in manifest["files"]:
        path = target / entry["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file() and path.stat().st_size == entry["bytes"] and not link:
            path.unlink()  # of an earlier try; it is checked anew
        if link and path.suffix == ".parquet" and LOG not in path.parts:
            path.symlink_to(content(dest, entry["sha256"]))
        else:
            place(entry, path)


def _usable(plant: Path, dest: Path) -> None:
    if not (plant / JOURNAL).is_file():
        raise InputError(f"plant {plant}", "there is no plant in it", "the folder of a plant")
    if dest.resolve().is_relative_to(plant.resolve()):
        raise InputError(f"backup {dest}", "it is inside the plant", "a folder outside it, best on another disk")
    if dest.exists() and not dest.is_dir():
        raise InputError(f"backup {dest}", "it is a file", "a folder")
    if dest.is_dir() and not (dest / "backup.json").is_file() and any(dest.iterdir()):
        raise InputError(f"backup {dest}", "it holds something that is not a backup", "a new, empty or backup folder")


@contextmanager
def _held(dest: Path, plant: Path) -> Iterator[Backup]:
    """The backup folder, made where there is none, for this process alone."""
    wanted = _identity(plant)
    dest.mkdir(parents=True, exist_ok=True)
    if not (dest / "backup.json").exists():
        _write(dest / "backup.json", {"format": FORMAT, "plant": wanted})
    try:
        found = json.loads((dest / "backup.json").read_text("utf-8"))["plant"]
    except (ValueError, KeyError):
        raise StoreError(f"backup {dest}", "its backup.json cannot be read", "", "name a new folder") from None
    if found != wanted:
        raise InputError(f"backup {dest}", f"it is of plant {found}, this is plant {wanted}", "a folder for each plant")
    with (dest / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StoreError(f"backup {dest}", "another backup is being written to it", "", "wait for it") from None
        shutil.rmtree(dest / "half", ignore_errors=True)
        for name in ("half", "generations", "files"):
            (dest / name).mkdir(exist_ok=True)
        try:
            yield Backup(dest)
        finally:
            shutil.rmtree(dest / "half", ignore_errors=True)


def _identity(plant: Path) -> str:
    """The id that a plant was given when it was made."""
    try:
        database = sqlite3.connect(reading_uri(plant / JOURNAL), uri=True)
        try:
            return str(database.execute("SELECT value FROM meta WHERE name = 'plant'").fetchone()[0])
        finally:
            database.close()
    except (sqlite3.Error, TypeError) as error:
        raise StoreError(f"journal {plant / JOURNAL}", f"it cannot be read ({error})") from error


def _generation(into: Backup, state: State, clock: Clock) -> dict[str, Any]:
    """Copies what is not there yet; the manifest."""
    stand = generations(into.folder)
    before = {}
    for _, path in stand[-1:]:
        before = {(e["path"], e["bytes"]): e for e in read_manifest(path)["files"]}
    made_ns = clock.now_ns()
    databases = {path: (state.folder / path).stat().st_size for path in state.databases}
    parts = [part for pin in state.tables.values() for part in pin.parts] + state.others
    into.done, into.total = 0, sum(part.bytes for part in parts) + 2 * sum(databases.values())
    files = []
    for part in parts:
        known = before.get((part.path, part.bytes)) or into.fixed.get((part.path, part.bytes)) if part.fixed else None
        if known and into.holds(known):
            files.append(known)
            into.step(part.path, part.bytes)
        else:
            files.append(into.put(part))
            if part.fixed:
                into.fixed[part.path, part.bytes] = files[-1]
    if state.live is not None:
        (into.half / LIVE).write_bytes(state.live)
        files.append(into.put(Part(LIVE, into.half / LIVE, len(state.live), False)))
    if state.events:
        state.events.to_sqlite(into.half / "events.sqlite")
        files.append(into.put(Part("events.sqlite", into.half / "events.sqlite", 0, False)))
    for name, connection in state.databases.items():
        copy = into.half / "database"
        copy_database(connection, copy, partial(into.step, name))
        if name == JOURNAL:
            bring_home(copy)
        files.append(into.put(Part(name, copy, copy.stat().st_size, False)))
    manifest = {
        "format": FORMAT, "generation": stand[-1][0] + 1 if stand else 1, "made": iso(made_ns), "made_ns": made_ns,
        "plant": _identity(state.folder), "versions": {n: version(n) for n in ("loopwright", "deltalake", "duckdb")},
        "tables": {name: {"version": pin.version, "rows": pin.rows} for name, pin in state.tables.items()},
        "bytes": sum(entry["bytes"] for entry in files), "files": files,
    }
    return manifest | _books(into, manifest)


def _books(into: Backup, manifest: dict[str, Any]) -> dict[str, Any]:
    """What the copied plant itself says: it is opened, as a restore would."""
    from loopwright.store.restore import said

    check = into.half / "check"
    lay_out(into.folder, manifest, check, True, lambda entry, path: _copied(into.folder, entry, path))
    found = said(check)
    shutil.rmtree(check)
    return found


def _copied(dest: Path, entry: Mapping[str, Any], path: Path) -> None:
    shutil.copyfile(content(dest, entry["sha256"]), path)


def _tidy(dest: Path, keep: int, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Removes generations that are too many, or hold what was erased since, and contents that nobody names any more."""
    stand = generations(dest)
    old = [path for _, path in stand[:-keep]] if keep else []
    gone, wanted = {"generations": [], "erased": [], "bytes": 0}, set()
    for number, path in stand:
        try:
            found = read_manifest(path)
        except StoreError:
            continue  # its contents are not known: nothing of it can be counted on
        erased = any(found["erased"][word] < n for word, n in manifest["erased"].items() if word in found["erased"])
        if path in old or erased:
            path.unlink()
            gone["erased" if erased else "generations"].append(number)  # type: ignore[attr-defined]
        else:
            wanted |= {entry["sha256"] for entry in found["files"]}
    for path in (dest / "files").glob("*/*"):
        if path.name not in wanted:
            gone["bytes"] += path.stat().st_size  # type: ignore[operator]
            path.unlink()
    return gone


def _sealed(manifest: Mapping[str, Any]) -> dict[str, Any]:
    return {"sha256": _digest(manifest), **manifest}


def _digest(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _write(path: Path, document: Mapping[str, Any]) -> None:
    """Whole or not at all."""
    half = path.with_suffix(".part")
    half.write_text(json.dumps(document, indent=1), "utf-8")
    durable([half])
    half.replace(path)
    durable([path.parent])
