"""Which numbers of a source have been seen: merged ranges, so that late batches fit in and repeats are known."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

Range = tuple[int, int]


class Ranges:
    """Disjoint inclusive ranges [first, last] of int, in order, never touching one another."""

    def __init__(self, ranges: list[Range] | None = None) -> None:
        self._first = [first for first, _ in ranges or []]
        self._last = [last for _, last in ranges or []]

    def __iter__(self) -> Iterator[Range]:
        return iter(zip(self._first, self._last, strict=True))

    def seen(self, first: int, last: int) -> list[Range]:
        """The parts of first..last that are in it."""
        begin, end = bisect_left(self._last, first), bisect_right(self._first, last)
        return [(max(first, self._first[i]), min(last, self._last[i])) for i in range(begin, end)]

    def merged(self, first: int, last: int) -> tuple[list[int], Range]:
        """What adding first..last would do: the starts of the ranges that go, and the range that comes."""
        begin, end = bisect_left(self._last, first - 1), bisect_right(self._first, last + 1)
        if begin < end:
            first, last = min(first, self._first[begin]), max(last, self._last[end - 1])
        return self._first[begin:end], (first, last)

    def add(self, first: int, last: int) -> None:
        """Adds first..last."""
        gone, (first, last) = self.merged(first, last)
        begin = bisect_left(self._first, gone[0]) if gone else bisect_left(self._first, first)
        self._first[begin:begin + len(gone)] = [first]
        self._last[begin:begin + len(gone)] = [last]

    @property
    def start(self) -> int | None:
        """The lowest number in it."""
        return self._first[0] if self._first else None

    @property
    def unbroken(self) -> int | None:
        """The highest number such that all from the lowest on are in it."""
        return self._last[0] if self._last else None

    @property
    def end(self) -> int | None:
        """The highest number in it."""
        return self._last[-1] if self._last else None
