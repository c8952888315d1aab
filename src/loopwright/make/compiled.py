"""Compiling with Numba, kept on the disk for as long as no source of what is compiled has changed.

    @fast
    def sum_of(values: Any) -> int: ...

Numba looks only at the file a function stands in, so that what it calls from another file stayed as it was compiled
once. Here one digest over all sources of the search decides.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from numba import njit

SOURCES = ("compiled.py", "crew.py", "decode.py", "general.py", "neighbours.py", "search/*.py")


@cache
def digest() -> str:
    """What all sources of the compiled search say, in few letters."""
    here = Path(__file__).parent
    found = hashlib.blake2b(digest_size=16)
    for pattern in SOURCES:
        for path in sorted(here.glob(pattern)):
            found.update(path.read_bytes())
    return found.hexdigest()


def fast(function: Callable[..., Any]) -> Any:
    """Compiles a function when it is first called.

    Without reference counts for arrays (nothing here makes one, and counting took most of the time of nested calls),
    and without the interpreter's lock.
    """
    compiled = njit(cache=True, nogil=True, _nrt=False)(function)  # type: ignore[call-overload]
    try:
        compiled._cache._cache_file._source_stamp = digest()
    except (AttributeError, OSError):  # another Numba keeps its cache otherwise, by the function's own file
        return compiled
    return compiled
