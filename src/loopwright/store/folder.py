"""Whether a folder may be opened as a plant: an empty one may, one that lost its journal may not."""

from __future__ import annotations

from pathlib import Path

from loopwright.core.errors import InputError, StoreError
from loopwright.store.place import LOG

JOURNAL, MIRROR = "journal.sqlite", "mirror"
TABLES = ("points", "blocks", "rollups", "accounts")
_PARTS = (*TABLES, MIRROR, "cache")
_HELD = (*TABLES, "events.sqlite")  # what a plant without a journal would seem to have lost


def usable(path: Path | str, read_only: bool) -> None:
    """Raises InputError or StoreError for a path that is no plant's folder and should not become one."""
    if not str(path):
        raise InputError("plant", "the path of its folder is empty", "a folder", "name the plant's folder or a new one")
    path = Path(path).absolute()
    where = f"plant {path}"
    if path.exists() and not path.is_dir():
        raise StoreError(where, "it is a file", "a folder", "name the plant's folder, or a new one")
    if (path / LOG).is_dir() or (path.name in _PARTS and (path.parent / JOURNAL).is_file()):
        raise StoreError(where, "it is a part of a plant", f"the folder above: {path.parent}", "open that one")
    if (path / JOURNAL).is_file():
        return
    if read_only:
        raise StoreError(where, "there is no plant in it", "", "look at the name of the folder; "
                         "`loopwright run SITE` or an import makes a plant")
    left = [name for name in _HELD if (path / name).exists()]
    if left and not any((path / MIRROR).glob("base-*.sqlite")):
        raise StoreError(where, f"its journal is gone, and its mirror, too; there are still {', '.join(left)}",
                         f"{JOURNAL} or {MIRROR}/",
                         "bring back a backup (loopwright restore), or move what is left away to begin anew")
