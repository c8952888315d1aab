"""Splits keep groups whole, and leaks fail loudly."""

from __future__ import annotations

import numpy as np
import pytest

from loopwright.core.errors import InputError
from loopwright.learn.runs import NAMES, Features
from loopwright.learn.splits import LeakError, check_known, check_names, check_split, leave_one_group_out


def test_every_group_is_left_out_once_and_whole() -> None:
    groups = ["a", "b", "a", "c", "b"]
    splits = leave_one_group_out(groups)
    assert [test.tolist() for _, test in splits] == [[0, 2], [1, 4], [3]]
    for train, test in splits:
        assert sorted([*train.tolist(), *test.tolist()]) == [0, 1, 2, 3, 4]


def test_one_group_alone_cannot_be_left_out() -> None:
    with pytest.raises(InputError, match="1 groups"):
        leave_one_group_out(["a", "a"])


def test_a_run_on_both_sides_is_a_leak() -> None:
    with pytest.raises(LeakError, match="a stand on both sides"):
        check_split(["a", "b", "a"], np.array([0, 1]), np.array([2]))


def test_a_copied_row_on_both_sides_is_a_leak_even_under_another_name() -> None:
    values = np.array([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0]])
    check_split(["a", "b", "c"], np.array([0, 2]), np.array([1]), values)
    with pytest.raises(LeakError, match=r"rows \[2\]"):
        check_split(["a", "b", "c"], np.array([0, 1]), np.array([2]), values)


@pytest.mark.parametrize(
    "name", ["run.number", "label", "tool_condition", "z.position", "duration_s", "rows", "machining_finalized", "bus_voltage.level"]
)
def test_features_that_give_the_answer_away_are_refused_with_the_reason(name: str) -> None:
    with pytest.raises(LeakError, match=f"feature '{name}': must not be used"):
        check_names([name])
    with pytest.raises(LeakError):
        Features(("a",), (name,), np.zeros((1, 1)))


def test_the_features_in_use_pass_the_check() -> None:
    check_names(NAMES)


def test_what_became_known_later_is_refused() -> None:
    check_known([5, 10], 10)
    with pytest.raises(LeakError, match="1 rows became known after the cut"):
        check_known([5, 11], 10)
