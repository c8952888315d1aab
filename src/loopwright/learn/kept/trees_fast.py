"""The loop of `learn.kept.trees` in compiled code (extra 'learn'): the same sums in the same order, so the same
bits."""

from __future__ import annotations

from typing import Any

from numba import njit


@njit(cache=True, nogil=True)
def add_up(
    x: Any, feature: Any, threshold: Any, left: Any, right: Any, missing_left: Any, value: Any, root: Any, column: Any,
    raw: Any,
) -> None:
    """Adds the leaves of every tree to raw (n, K), tree after tree. A leaf leads to itself."""
    for row in range(x.shape[0]):
        for tree in range(root.shape[0]):
            node = root[tree]
            while left[node] != node:
                given = x[row, feature[node]]
                go = missing_left[node] if given != given else given <= threshold[node]
                node = left[node] if go else right[node]
            if column[tree] >= 0:
                raw[row, column[tree]] += value[node, 0]
            else:
                for k in range(raw.shape[1]):
                    raw[row, k] += value[node, k]
