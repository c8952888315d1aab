"""One writer a plant: a lock file that names who holds it. The kernel frees the lock however its process ends."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import IO

from loopwright.core.clock import Clock, iso
from loopwright.core.errors import PlantBusy, StoreError


def hold(folder: Path, clock: Clock) -> IO[str]:
    """Takes the write lock of the plant in `folder`; keep the file open for as long as it is held.

    Raises PlantBusy, naming the process that holds it and since when.
    """
    path = folder / "lock"
    try:
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise StoreError(
            f"plant {folder}", f"its lock file cannot be written ({error.strerror})", "a folder you may write"
        ) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise PlantBusy(
            f"plant {folder}", f"it is being written by {_holder(path)}",
            "one writing process a plant; any number may read it",
            "stop that process, or send the work to it over its local API, or name another plant folder",
        ) from error
    file.seek(0)
    file.truncate()
    json.dump({"pid": os.getpid(), "since": iso(clock.now_ns())}, file)
    file.flush()
    return file


def release(file: IO[str]) -> None:
    """Gives the lock back; the file stays, emptied (removing it would let two processes hold two locks)."""
    file.seek(0)
    file.truncate()
    file.close()


def _holder(path: Path) -> str:
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        return f"process {held['pid']} since {held['since']}"
    except (OSError, ValueError, KeyError):
        return "another process (it has not said which yet)"
