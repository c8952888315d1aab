"""What a reader of a table of classes is told beside its numbers."""

from __future__ import annotations

import numpy as np

from loopwright.learn.classing import class_out
from loopwright.learn.classing.cases import Cases, ClassSet


def small(labels: str, apart: bool = False) -> ClassSet:
    """Cases of one value each, a group each."""
    ids = tuple(f"case{i}" for i in range(len(labels)))
    values = tuple(np.full((1, 1), float(i)) for i in range(len(labels)))
    last = np.arange(len(labels)) >= len(labels) - 2 if apart else None
    return ClassSet("made", Cases(ids, values, ("x",), 1.0), tuple(labels), ids, "case", last)


def one_out(n: int) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(np.delete(np.arange(n), i), np.array([i])) for i in range(n)]


def test_a_majority_that_leaving_out_turned_into_the_minority_is_told_as_no_bar() -> None:
    """Three of each: whoever is left out, the other class is the most frequent of the five that stay."""
    (said,) = class_out.notes(small("aaabbb"), one_out(6))
    assert "majority is right in 0 of 6" in said
    assert "no bar to clear" in said


def test_nothing_is_said_of_a_majority_that_is_one() -> None:
    assert class_out.notes(small("aaaaabbb"), one_out(8)) == ()


def test_nothing_is_said_of_it_where_a_test_part_is_published() -> None:
    assert class_out.notes(small("aaabbbbb", apart=True), [(np.arange(6), np.arange(6, 8))]) == ()
