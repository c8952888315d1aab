"""Where the files of a Delta table stand: a folder of this machine. `store.bucket` is its twin for an object store.

A data file is on the disk before the commit that names it, and a commit is on the disk before anybody can see it, so a
power cut leaves at most files that no commit names.
"""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

LOG = "_delta_log"


class Place(Protocol):
    """What a table asks of the place where it stands; every name is relative to the table."""

    @property
    def uri(self) -> str:
        """As delta-rs is told."""
        ...

    @property
    def options(self) -> dict[str, str] | None:
        """What delta-rs is told besides."""
        ...

    @property
    def shared(self) -> bool:
        """Whether several plants may write there."""
        ...

    def draft(self, name: str) -> Path:
        """The file of this machine into which a data file is to be written first."""
        ...

    def publish(self, name: str) -> None:
        """Makes a drafted data file durable, where readers find it."""
        ...

    def create(self, name: str, data: bytes) -> bool:
        """Writes a file that must not be there yet, whole and durable; False when it was there."""
        ...

    def remove(self, names: Iterable[str]) -> None:
        """Deletes files; one that is gone already is no error."""
        ...

    def local(self, names: Iterable[str]) -> list[str]:
        """Paths on this machine under which these data files can be read."""
        ...

    def folder(self) -> Path:
        """The folder in which `local` files lie."""
        ...

    def settle(self) -> None:
        """Waits until what delta-rs wrote to the log is durable."""
        ...

    def mend(self) -> None:
        """Sets aside what a power cut left half written in the log; only who writes may ask for it."""
        ...

    def torn(self) -> list[str]:
        """Files of the log that cannot be read."""
        ...

    def broken(self, sizes: Mapping[str, int]) -> dict[str, str]:
        """name -> what is wrong, of those of these data files that are gone or not as long as they should be."""
        ...


class LocalPlace:
    """A folder."""

    options: dict[str, str] | None = None
    shared = False

    def __init__(self, path: Path) -> None:
        self.path, self.uri = path, str(path)

    def folder(self) -> Path:
        return self.path

    def settle(self) -> None:
        log = self.path / LOG
        durable([*log.glob("*.checkpoint*.parquet"), *log.glob("_last_checkpoint"), log])

    def mend(self) -> None:
        from loopwright.store import mend

        mend.mend(self.path)

    def torn(self) -> list[str]:
        from loopwright.store import mend

        return mend.torn(self.path)

    def broken(self, sizes: Mapping[str, int]) -> dict[str, str]:
        found = {}
        for name, size in sizes.items():
            try:
                with (self.path / name).open("rb") as file:
                    there = file.seek(0, os.SEEK_END)
                    file.seek(-min(4, there), os.SEEK_END)
                    whole = file.read(4) == b"PAR1"
            except FileNotFoundError:
                found[name] = "it is gone"
                continue
            if there != size:
                found[name] = f"it is cut short: {there:,} of {size:,} bytes"
            elif not whole:
                found[name] = "it does not end as a Parquet file does"
        return found

    def draft(self, name: str) -> Path:
        return self.path / name

    def publish(self, name: str) -> None:
        durable([self.path / name, self.path])

    def create(self, name: str, data: bytes) -> bool:
        path = self.path / name
        half = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
        try:
            half.write_bytes(data)
            durable([half])
            _link(half, path)
        except FileExistsError:
            return False
        finally:
            half.unlink(missing_ok=True)
        durable([path.parent])
        return True

    def remove(self, names: Iterable[str]) -> None:
        for name in names:
            (self.path / name).unlink(missing_ok=True)

    def local(self, names: Iterable[str]) -> list[str]:
        return [f"{self.uri}/{name}" for name in names]


def _link(half: Path, path: Path) -> None:
    """Gives a file its name, which must be free: a rename would replace."""
    try:
        os.link(half, path)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK):
            raise
        with path.open("xb") as file:  # a file system without links; what a crash cuts short is mended on open
            file.write(half.read_bytes())
        durable([path])


def durable(paths: Iterable[Path]) -> None:
    """Waits until these files and folders stand on the disk."""
    for path in paths:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
