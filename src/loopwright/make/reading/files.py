"""Shops from files: the texts of the literature, our own JSON, folders and archives of either.

    read("ta01.txt")                    Instance(name, shop, dialect, notes)
    listed("instances.zip")             [Source(name, read), ...] of a folder or an archive, in the order of names

The dialect is seen from what stands in the file and told; where two fit, the suffix (.jsp, .fjs) or `form` decides.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from loopwright.core.errors import InputError
from loopwright.make.reading.shop_json import FORMAT, from_json, load
from loopwright.make.reading.texts import parse
from loopwright.make.shop import Shop

LARGEST_BYTES = 200_000_000
_SUFFIXES = {  # and the dialect that it stands for
    ".txt": "", ".jsp": "job-shop", ".jss": "job-shop", ".fjs": "flexible", ".fjsp": "flexible", ".json": "", "": ""}
_OTHER = re.compile(r"(readme|license|licence|copying|best_known|instances|makefile)", re.IGNORECASE)


def several(count: int, what: str) -> str:
    """'1 job', '2,000 jobs'."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


@dataclass(frozen=True)
class Instance:
    """A shop from a file: what it is called, how it was written, and what is to be known about how it was read."""

    name: str
    shop: Shop
    dialect: str
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> str:
        """'jobs x machines' and how many operations."""
        shop = self.shop
        count = sum(len(job.operations) for job in shop.jobs)
        return f"{len(shop.jobs)} x {len(shop.machines)}, {several(count, 'operation')}"


@dataclass(frozen=True)
class Source:
    """A shop that can be read: its name, and what reads it (raising what `read` raises)."""

    name: str
    read: Callable[[], Instance]


def read(path: str | Path, form: str = "") -> Instance:
    """The shop in a file.

    form  the dialect of a text, one of `texts.FORMS`; '': seen from its suffix and its numbers
    Raises InputError for a file that cannot be read, or says no shop, with line, field, value and rule.
    """
    path = Path(path)
    if path.is_dir() or path.suffix.lower() == ".zip":
        found = listed(path, form)
        if len(found) == 1:
            return found[0].read()
        raise InputError(str(path), f"{len(found)} shops are in it", "one", "name one file, or plan all: --suite")
    return decoded(bytes_of(path), path.name, form)


def listed(path: str | Path, form: str = "") -> list[Source]:
    """The shops of a folder or an archive, and of the folders in it, by name; files of other kinds are passed over."""
    path = Path(path)
    if path.is_dir():
        files = [p for p in sorted(path.rglob("*")) if p.is_file() and _may_be(p.relative_to(path).as_posix())]
        found = [Source(_stem(p.name), lambda p=p: read(p, form)) for p in files]  # type: ignore[misc]
    else:
        members = [info for info in _members(path) if not info.is_dir() and _may_be(info.filename)]
        found = [Source(_stem(info.filename), lambda info=info: _member(path, info, form)) for info in members]  # type: ignore[misc]
    if not found:
        kinds = ", ".join(suffix or "without a suffix" for suffix in _SUFFIXES)
        raise InputError(str(path), "no shop is in it", f"files {kinds}")
    return sorted(found, key=lambda source: _natural(source.name))


def decoded(data: bytes, name: str, form: str = "") -> Instance:
    """The shop that the bytes of a file describe."""
    if b"\0" in data[:100_000] or data[:4] in (b"PK\3\4", b"%PDF", b"\x1f\x8b\x08\x08"):
        raise InputError(name, f"a binary file: it begins with {data[:8]!r}", "a text or JSON file of a shop")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"{name}: line {line}", f"byte {data[error.start]:#04x} is no text", "UTF-8 text") from error
    if text.lstrip()[:1] in ("{", "["):
        return _of_json(text, name)
    parsed = parse(text, name, form or _SUFFIXES.get(PurePosixPath(name).suffix.lower(), ""))
    return Instance(_stem(name), parsed.shop, parsed.dialect, parsed.notes)


def _of_json(text: str, name: str) -> Instance:
    if text.lstrip()[:1] == "[":
        given = load(text, name)
        if given and all(isinstance(row, dict) and ("path" in row or "instance" in row) for row in given):
            raise InputError(name, f"a list of {len(given)} instances, not a shop", f"a file of {FORMAT!r}",
                             "plan the folder that it stands in: --suite FOLDER --best-known " + name)
    shop = from_json(text, name)
    return Instance(_stem(name), shop, FORMAT, overdue(shop))


def overdue(shop: Shop) -> tuple[str, ...]:
    """A note that names the jobs which are due before the origin, if there are any."""
    late = [job.id for job in shop.jobs if job.due_s is not None and job.due_s <= 0]
    more = f" and {len(late) - 10} more" if len(late) > 10 else ""
    return (f"due at or before the start, so late whatever is planned: {', '.join(late[:10])}{more}",) if late else ()


def _stem(name: str) -> str:
    """A file's name without folders and without a suffix of ours ('tai_1.5' keeps its dot)."""
    path = PurePosixPath(name.replace("\\", "/"))
    return path.stem if path.suffix.lower() in _SUFFIXES else path.name


def _natural(name: str) -> list[Any]:
    """Sorts 'la9' before 'la10'."""
    parts = re.split(r"([0-9]{1,18})", name)
    return [(1, int(part), "") if n % 2 else (0, 0, part) for n, part in enumerate(parts)]


def _may_be(name: str) -> bool:
    path = PurePosixPath(name)
    if any(part.startswith((".", "__")) for part in path.parts):
        return False
    return path.suffix.lower() in _SUFFIXES and not _OTHER.match(path.name)


def bytes_of(path: Path) -> bytes:
    """What a file holds; InputError where it cannot be read or is too large."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise InputError(str(path), f"cannot be read ({said})", "a file, folder or .zip of shops") from error
    if len(data) > LARGEST_BYTES:
        raise InputError(str(path), f"more than {LARGEST_BYTES:,} bytes", f"up to {LARGEST_BYTES:,}")
    return data


def _members(path: Path) -> list[zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.infolist()
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise InputError(str(path), f"cannot be read ({said})", "a folder or a .zip of shops") from error


def _member(path: Path, info: zipfile.ZipInfo, form: str) -> Instance:
    where = f"{path.name}: {info.filename}"
    if info.file_size > LARGEST_BYTES:
        raise InputError(where, f"{info.file_size:,} bytes", f"up to {LARGEST_BYTES:,}")
    try:
        with zipfile.ZipFile(path) as archive, archive.open(info) as file:
            data = file.read(info.file_size + 1)
    except (OSError, EOFError, RuntimeError, ValueError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(where, f"cannot be unpacked ({error})", "a whole archive without a password") from error
    return decoded(data, info.filename, form)
