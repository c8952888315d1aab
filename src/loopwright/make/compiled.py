"""Compiling with Numba, kept on the disk for as long as no source of what is compiled has changed.

    @fast
    def sum_of(values: Any) -> int: ...

Numba looks only at the file a function stands in, so that what it calls from another file stayed as it was compiled
once. Here the file and all that it imports from this package decides.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from numba import njit

_IMPORT = re.compile(r"^from loopwright\.make\.([\w.]+) import", re.MULTILINE)


def sources(path: Path) -> set[Path]:
    """A file with compiled functions, and the files with such functions that it imports, and so on."""
    here, found, waiting = Path(__file__).parent, set[Path](), [path]
    while waiting:
        path = waiting.pop()
        if path in found or not path.is_file() or "fast" not in (text := path.read_text(encoding="utf-8")):
            continue
        found.add(path)
        waiting += [here / (name.replace(".", "/") + ".py") for name in _IMPORT.findall(text)]
    return found


@cache
def digest(path: Path) -> str:
    """What a file's sources say, in few letters."""
    found = hashlib.blake2b(digest_size=16)
    for source in sorted(sources(path)):
        found.update(source.read_bytes())
    return found.hexdigest()


def fast(function: Callable[..., Any]) -> Any:
    """Compiles a function when it is first called.

    Without reference counts for arrays (nothing here makes one, and counting took most of the time of nested calls),
    without the interpreter's lock, and written out where it is called: a call passes a shop's forty arrays one by one,
    which took longer than what most functions do (annealing 200,000 to 550,000 moves a second, tabu search 174,000 to
    286,000, 300 operations, processor time).
    """
    compiled = njit(cache=True, nogil=True, _nrt=False, forceinline=True)(function)  # type: ignore[call-overload]
    try:
        compiled._cache._cache_file._source_stamp = digest(Path(function.__code__.co_filename))
    except (AttributeError, OSError):  # another Numba keeps its cache otherwise, by the function's own file
        return compiled
    return compiled
