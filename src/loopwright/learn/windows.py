"""Windows over a set that may be larger than memory: written once to a folder, read back through a memory map.

    kept = write(folder, pieces, channels)         pieces: (group, t_ns (n,), values (n, C)), one after the other
    kept = from_store(folder, store, things, signals, steps)     a plant's own signals, on a grid, gaps open
    kept = open_kept(folder)
    index = windows(kept, length=128, step=64)     where each window stands; none reaches over the end of its group
    for train, test in divide("run", index.groups(kept)): ...
    for batch in batches(kept, index, train, size=256): ...      (B, length, C), only these in memory

The folder holds values.bin (rows x channels), t_ns.bin (rows) and kept.json; it is only there whole.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from loopwright.core.errors import InputError, StoreError
from loopwright.learn.splits import check_overlap
from loopwright.learn.traps import LeakError

if TYPE_CHECKING:
    from loopwright.store.cellar import Store

Piece = tuple[str, np.ndarray, np.ndarray]
FORMAT = 1
HELD = 64_000_000  # bytes of the map that are read before its pages are given back


@dataclass(frozen=True)
class Kept:
    """A set in a folder.

    folder    where it stands
    channels  (C,) names
    groups    (G,) the units, runs or persons, in the order they were written
    first     (G + 1,) row at which each begins; the last one is the number of rows
    t_ns      (N,) memory-mapped, when each row was true
    values    (N, C) memory-mapped, NaN where nothing is known
    """

    folder: Path
    channels: tuple[str, ...]
    groups: tuple[str, ...]
    first: np.ndarray
    t_ns: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class Index:
    """Where windows stand: group (W,) number of its group, first (W,) its first row, length in rows."""

    group: np.ndarray
    first: np.ndarray
    length: int

    def groups(self, kept: Kept) -> np.ndarray:
        """(W,) name of the group of each window."""
        return np.asarray(kept.groups)[self.group]

    def t_ns(self, kept: Kept) -> np.ndarray:
        """(W,) time of the first row of each window."""
        return np.asarray(kept.t_ns[self.first])


def write(folder: Path, pieces: Iterable[Piece], channels: Sequence[str], dtype: Any = np.float64) -> Kept:
    """Keeps a set that comes in pieces; only one piece is in memory at a time.

    pieces  (group, t_ns (n,), values (n, C)); pieces of one group stand together, its times grow from row to row
    dtype   float64, or float32 where seven digits are enough
    Raises InputError for no rows, a piece of another width, a group that comes back, or times that do not grow (say
    'sort it, and take one row of each time'); StoreError when the folder cannot be written.
    """
    begins: dict[str, int] = {}  # group -> its first row
    rows, last_ns, before = 0, 0, ""
    parts = {name: folder / f"{name}.part" for name in ("values.bin", "t_ns.bin")}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with parts["values.bin"].open("wb") as values_file, parts["t_ns.bin"].open("wb") as time_file:
            for group, t_ns, values in pieces:
                fresh = not begins or before != group
                if fresh and group in begins:
                    raise InputError(f"set {folder.name}", f"{group!r} comes back", "rows of one group together")
                _check_piece(group, t_ns, values, len(channels), None if fresh else last_ns)
                if not len(t_ns):
                    continue
                begins.setdefault(group, rows)
                values_file.write(np.ascontiguousarray(values, dtype=dtype).tobytes())
                time_file.write(np.ascontiguousarray(t_ns, dtype=np.int64).tobytes())
                rows, last_ns, before = rows + len(t_ns), int(t_ns[-1]), group
        if not rows:
            raise InputError(f"set {folder.name}", "it has no rows", "at least one")
        _seal(folder, parts, {"format": FORMAT, "channels": list(channels), "groups": list(begins),
                              "first": [*begins.values(), rows], "dtype": np.dtype(dtype).name})
    except OSError as error:
        given = f"it cannot be written ({error.strerror})"
        raise StoreError(str(folder), given, "", "make room, or name another") from error
    return open_kept(folder)


def _check_piece(group: str, t_ns: np.ndarray, values: np.ndarray, width: int, last_ns: int | None) -> None:
    if values.ndim != 2 or values.shape != (len(t_ns), width):
        raise InputError(f"rows of {group}", f"values are {values.shape}", f"({len(t_ns)}, {width})")
    times = np.asarray(t_ns, dtype=np.int64)
    if len(times) and last_ns is not None:
        times = np.concatenate([[last_ns], times])
    if (np.diff(times) <= 0).any():
        raise InputError(f"rows of {group}", "times stand still or go back", "times that grow from row to row",
                         "sort them, and take one row of each time")


def _seal(folder: Path, parts: dict[str, Path], head: dict[str, Any]) -> None:
    """The files under their names; kept.json last, so that a set is whole or not there."""
    (folder / "kept.json").unlink(missing_ok=True)
    for name, part in parts.items():
        part.replace(folder / name)
    temporary = folder / "kept.json.part"
    temporary.write_text(json.dumps(head), "utf-8")
    temporary.replace(folder / "kept.json")


def open_kept(folder: Path) -> Kept:
    """The set of that folder. Raises InputError where none is, or its files were cut off."""
    try:
        head = json.loads((folder / "kept.json").read_text("utf-8"))
        rows, width = head["first"][-1], len(head["channels"])
        dtype = np.dtype(head["dtype"])
        sizes = {"values.bin": rows * width * dtype.itemsize, "t_ns.bin": rows * 8}
        cut = [name for name, size in sizes.items() if os.path.getsize(folder / name) != size]  # noqa: PTH202
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise InputError(str(folder), f"no kept set is there ({error})", "a folder that learn.windows wrote") from error
    if cut:
        raise InputError(str(folder), f"{', '.join(cut)} is not as long as kept.json says", "", "write the set anew")
    values = np.memmap(folder / "values.bin", dtype, "r", shape=(rows, width)) if width else np.zeros((rows, 0))
    t_ns = np.memmap(folder / "t_ns.bin", np.int64, "r", shape=(rows,))
    first = np.asarray(head["first"], dtype=np.int64)
    return Kept(folder, tuple(head["channels"]), tuple(head["groups"]), first, t_ns, values)


def from_store(
    folder: Path, store: Store, things: Sequence[str], signals: Sequence[str], steps: tuple[int, int, int],
    known_by_ns: int | None = None, at_once: int = 65_536,
) -> Kept:
    """A plant's own signals as `store.windows` gives them, thing after thing: any rates, gaps open (NaN).

    steps        (start_ns, end_ns, step_ns) of the grid
    known_by_ns  only what was known by then
    at_once      steps that are in memory at a time
    Steps before the first and after the last value of a thing are left out; a thing without any value is no group.
    """
    start_ns, end_ns, step_ns = steps

    def pieces() -> Iterator[Piece]:
        for thing in things:
            held: list[Piece] = []  # empty stretches, until something comes after them
            begun = False
            for at_ns in range(start_ns, end_ns, at_once * step_ns):
                until_ns = min(end_ns, at_ns + at_once * step_ns)
                found = store.windows([thing], list(signals), start_ns=at_ns, end_ns=until_ns, step_ns=step_ns,
                                      known_by_ns=known_by_ns)
                values = np.where(found.mask[0], found.values[0], np.nan)
                known = np.flatnonzero(found.mask[0].any(axis=1))
                t_ns = np.asarray(found.t_ns)
                if not len(known):
                    if begun:
                        held.append((thing, t_ns, values))
                    continue
                yield from held
                a, b = 0 if begun else int(known[0]), int(known[-1]) + 1
                yield thing, t_ns[a:b], values[a:b]
                held, begun = [(thing, t_ns[b:], values[b:])], True

    return write(folder, pieces(), signals)


def windows(kept: Kept, length: int, step: int = 1, most_gap_ns: int | None = None) -> Index:
    """Every window of `length` rows, `step` rows apart, that stands whole within one group.

    most_gap_ns  windows in which two neighbouring rows are further apart are left out
    A group shorter than length has none. Raises InputError where no group has one.
    """
    if length < 1 or step < 1:
        raise InputError("windows", f"length {length}, step {step}", "at least 1 row each")
    group, first = [], []
    for g in range(len(kept.groups)):
        at = np.arange(kept.first[g], kept.first[g + 1] - length + 1, step, dtype=np.int64)
        if most_gap_ns is not None and len(at):
            wide = np.diff(kept.t_ns[kept.first[g] : kept.first[g + 1]]) > most_gap_ns
            count = np.concatenate([[0], np.cumsum(wide)])
            at = at[count[at - kept.first[g] + length - 1] == count[at - kept.first[g]]]
        group.append(np.full(len(at), g))
        first.append(at)
    index = Index(np.concatenate(group), np.concatenate(first), length)
    if not len(index.first):
        longest = int(np.diff(kept.first).max())
        raise InputError("windows", f"no group has {length} rows without a gap", f"up to {longest}, as the longest has")
    return index


def batches(kept: Kept, index: Index, rows: np.ndarray, size: int = 256) -> Iterator[np.ndarray]:
    """(B, length, C) float64 of these windows, in their order, at most `size` at a time; only these are in memory.

    Pages of the map that were read are given back every HELD bytes, so that a process does not grow with the set.
    """
    read = 0
    for a in range(0, len(rows), size):
        at = index.first[rows[a : a + size]]
        batch = np.stack([kept.values[i : i + index.length] for i in at.tolist()]).astype(np.float64, copy=False)
        read = _let_go(kept, read + batch.nbytes)
        yield batch


def _let_go(kept: Kept, read: int) -> int:
    """Bytes read since the pages of the map were last given back; gives them back from HELD on."""
    if read < HELD:
        return read
    pages = getattr(kept.values, "_mmap", None)
    if pages is not None and hasattr(mmap, "MADV_DONTNEED"):
        pages.madvise(mmap.MADV_DONTNEED)
    return 0


def check_apart(kept: Kept, index: Index, train: np.ndarray, test: np.ndarray) -> None:
    """Raises LeakError when windows of both sides share a row, or are copies of each other under other names.

    Copies are found by hashes, 16 bytes a window, reading through once. A window in which no channel moves says nothing
    and counts as no copy.
    """
    check_overlap(index.group, index.first, index.first + index.length - 1, train, test)
    seen = {hash_ for _, hash_ in _hashes(kept, index, train)}
    twins = [row for row, hash_ in _hashes(kept, index, test) if hash_ in seen]
    if twins:
        where = f"{kept.groups[int(index.group[twins[0]])]} among them"
        raise LeakError("split", f"{len(twins)} windows of the test are copies of training windows ({where})", "",
                        "remove the copies, or keep both in one group")


def _hashes(kept: Kept, index: Index, rows: np.ndarray) -> Iterator[tuple[int, bytes]]:
    """(row of the index, hash) of each window that moves."""
    read = 0
    for row in rows.tolist():
        at = int(index.first[row])
        read = _let_go(kept, read + index.length * kept.values[:1].nbytes)
        window = np.ascontiguousarray(kept.values[at : at + index.length])
        known = np.isfinite(window)
        if (np.where(known, window, -np.inf).max(axis=0) > np.where(known, window, np.inf).min(axis=0)).any():
            yield row, hashlib.blake2b(window.tobytes(), digest_size=16).digest()
