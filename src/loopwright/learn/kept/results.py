"""Results of an evaluation, each kept as soon as it is there, so that the next start goes on where the last one ended.

    shelf = opened(folder, made_of, say)     what was made of other data, code or settings is thrown away, and told
    shelf.get(key), shelf.put(key, value)    value: plain data and arrays, as `learn.kept.registry` writes them
    made_of = {"data": fingerprint(path), "program": program(), "mapping": "unit=engine"}

A result is one file, written beside and renamed, with a hash of its bytes in front: after a kill it is whole or not
there, and one that was torn by a power cut counts as not there. Two evaluations may use one folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from loopwright.core.clock import age_s
from loopwright.core.errors import StoreError
from loopwright.learn.kept import registry

HEAD, ENDING, HASH = "made_of.json", ".result", 16
LIBRARIES = ("numpy", "scipy", "scikit-learn", "numba")
CHUNK = 1 << 20
LEFT_S = 3600.0  # a half-written file that is older belongs to nobody
Say = Callable[[str], None]
Key = tuple[str | int, ...]


class Shelf:
    """Results in a folder, by key.

    taken  how many were found there instead of computed
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.taken = 0

    def get(self, key: Key) -> Any:
        """What was kept under this key; None where nothing is, or its file is torn."""
        try:
            data = self._file(key).read_bytes()
        except OSError:
            return None
        if _hash(data[HASH:]) != data[:HASH]:
            return None
        try:
            kept = registry.decode(data[HASH:], "kept result")
        except StoreError:
            return None
        if kept["key"] != list(key):
            return None
        self.taken += 1
        return kept["value"]

    def put(self, key: Key, value: Any) -> None:
        """Keeps a value. Raises InputError for what is no plain data, StoreError when the disk refuses."""
        data = registry.encode({"key": list(key), "value": value})
        _replace(self._file(key), _hash(data) + data)

    def _file(self, key: Key) -> Path:
        return self.folder / (_hash(json.dumps(key).encode()).hex() + ENDING)


def opened(folder: Path, made_of: Mapping[str, str], say: Say) -> Shelf:
    """The shelf of a folder, which is made where there is none.

    made_of  what every result rests on, name -> a word that changes with it; the names are said to the user
    Results that were made of anything else are removed, and it is said what has changed.
    """
    head = folder / HEAD
    try:
        folder.mkdir(parents=True, exist_ok=True)
        before = json.loads(head.read_text("utf-8")) if head.is_file() else None
    except OSError as error:
        raise StoreError(str(folder), f"it cannot be made or read ({error.strerror})", "",
                         "name another folder") from error
    except ValueError:
        before = {}
    if before == dict(made_of):
        count = sum(1 for _ in folder.glob(f"*{ENDING}"))
        if count:
            say(f"{count} results of an earlier start are in {folder}: they are taken up")
        return Shelf(folder)
    if before is not None:
        changed = [name for name in made_of if not isinstance(before, dict) or before.get(name) != made_of[name]]
        say(f"{' and '.join(changed) or 'what it rests on'} changed since the results in {folder}: all computed anew")
    _emptied(folder)
    _replace(head, json.dumps(dict(made_of), indent=1).encode())
    return Shelf(folder)


def _emptied(folder: Path) -> None:
    """Takes every result away, and what a program that was killed left half written an hour ago or longer."""
    (folder / HEAD).unlink(missing_ok=True)
    for path in folder.glob(f"*{ENDING}"):
        path.unlink(missing_ok=True)
    for path in folder.glob("*.part"):
        with suppress(FileNotFoundError):
            if age_s(path.stat().st_mtime) > LEFT_S:
                path.unlink()


def fingerprint(path: Path, out: Path | None = None) -> str:
    """A hash of a file, or of the names and bytes of all files under a folder, links to folders followed.

    out  where results are written, which does not count; where the data stands in it, only what is written there
    A file that nobody may read counts by its name.
    """
    apart: list[Path] = []
    if out is not None:
        inside = path.resolve().is_relative_to(out.resolve())
        apart = [(out / name).resolve() for name in ("kept", "rows.json")] if inside else [out.resolve()]
    total = hashlib.blake2b(digest_size=HASH)
    for file in [path] if path.is_file() else _files(path):
        if any(file.resolve().is_relative_to(one) for one in apart):
            continue
        name = file.name if file == path else file.relative_to(path).as_posix()
        total.update(name.encode("utf-8", "surrogateescape") + b"\0" + _hash_of_file(file))
    return total.hexdigest()


def _files(folder: Path) -> list[Path]:
    """Every file under a folder, sorted; a folder that links lead to twice is read once."""
    seen: set[str] = set()
    found: list[Path] = []
    for at, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(at)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        found += [file for name in names if (file := Path(at) / name).is_file()]
    return sorted(found)


def program() -> str:
    """A hash of what computes results: the sources of this package's room of learning, and versions of its libraries.

    Any change of the sources counts, whether it could change a number or not.
    """
    total = hashlib.blake2b(digest_size=HASH)
    room = Path(__file__).parents[1]
    for file in sorted(room.rglob("*.py")):
        total.update(file.relative_to(room).as_posix().encode() + b"\0" + _hash_of_file(file))
    total.update(sys.version.encode())
    for name in LIBRARIES:
        total.update(f"{name} {library(name)}\0".encode())
    return total.hexdigest()


def library(name: str) -> str:
    """The version of a package that is installed, '' where it is not."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _hash(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=HASH).digest()


def _hash_of_file(file: Path) -> bytes:
    total = hashlib.blake2b(digest_size=HASH)
    try:
        with file.open("rb") as read:
            while data := read.read(CHUNK):
                total.update(data)
    except OSError:
        return b"unreadable"
    return total.digest()


def _replace(path: Path, data: bytes) -> None:
    """The file whole or not at all."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        raise StoreError(str(path), f"it cannot be written ({error.strerror})", "",
                         "make room, or name another folder") from error
