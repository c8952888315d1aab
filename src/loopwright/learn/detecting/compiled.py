"""Loops over rows in machine code, where Numba is installed (extra `learn`).

    fast = compiled(_loop)      None without Numba: then the plain twin goes through the rows

A loop stands alone at the top of its file: of one that calls other compiled loops defined inside a function, what
Numba keeps on disk is of no use to the next process.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any


@cache
def compiled(loop: Callable[..., Any]) -> Callable[..., Any] | None:
    """The loop, compiled at its first call and kept on disk for later processes; None where Numba is not installed."""
    try:
        import numba
    except ImportError:
        return None
    made: Callable[..., Any] = numba.njit(cache=True)(loop)
    return made
