"""How many operations still stand in their old turn, counted one after another. Compiled.

`change.kept` says what is meant by kept, and counts the same without compiling.
"""

from __future__ import annotations

from typing import Any

from loopwright.make.compiled import fast


@fast
def grow(k: Any, o: int, m: int, n: int) -> int:
    """The length of a longest sequence of ranks that never falls, when o comes next on machine m; n before it.

    k  home, rank (operations,): the old machine (-1: none) and the turn there, equal for those that began together;
       room (operations + 1,): room[i] is the least rank at which a sequence of i + 1 ends
    Source: M. Fredman, On computing the length of longest increasing subsequences (Discrete Mathematics 11, 1975).
    """
    if k.home[o] != m:
        return n
    rank = k.rank[o]
    low, high = 0, n
    while low < high:
        middle = (low + high) // 2
        if k.room[middle] <= rank:
            low = middle + 1
        else:
            high = middle
    k.room[low] = rank
    return n + 1 if low == n else n
