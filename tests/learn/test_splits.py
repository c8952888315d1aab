"""Splits keep groups whole, and leaks fail loudly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.core.errors import InputError, UnknownName
from loopwright.learn.splits import (
    LeakError,
    by_time,
    check_known,
    check_names,
    check_overlap,
    check_split,
    check_time,
    divide,
    group_folds,
    hold_out,
    leave_one_group_out,
    time_folds,
)
from loopwright.learn.wear.runs import NAMES, Features


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


@given(st.lists(st.sampled_from("abcdefg"), min_size=2, max_size=60), st.integers(2, 6), st.integers(0, 5))
def test_folds_hold_every_row_once_and_every_group_whole(groups: list[str], folds: int, seed: int) -> None:
    if len(set(groups)) < 2:
        return
    found = group_folds(groups, folds, seed)
    assert len(found) == min(folds, len(set(groups)))
    assert sorted(row for _, test in found for row in test.tolist()) == list(range(len(groups)))
    for train, test in found:
        assert sorted([*train.tolist(), *test.tolist()]) == list(range(len(groups)))
        assert not {groups[i] for i in train} & {groups[i] for i in test}


def test_folds_are_of_like_size_and_the_seed_draws_which() -> None:
    """By hand: groups of 40, 30, 20 and 10 rows in two folds can be 50 and 50."""
    groups = ["a"] * 40 + ["b"] * 30 + ["c"] * 20 + ["d"] * 10
    assert [len(test) for _, test in group_folds(groups, 2)] == [50, 50]
    even = [f"g{i // 3}" for i in range(60)]
    drawn = {tuple(group_folds(even, 4, seed)[0][1].tolist()) for seed in range(5)}
    assert len(drawn) == 5


@given(st.lists(st.sampled_from("abcdefg"), min_size=2, max_size=60), st.floats(0.05, 0.95), st.integers(0, 5))
def test_what_is_held_out_is_whole_groups_and_at_least_the_share_while_one_group_is_left(
    groups: list[str], share: float, seed: int
) -> None:
    if len(set(groups)) < 2:
        return
    train, test = hold_out(groups, share, seed)
    trained = {groups[i] for i in train}
    assert trained
    assert not trained & {groups[i] for i in test}
    assert len(test) >= share * len(groups) or len(trained) == 1


def test_a_split_by_row_is_refused_whatever_it_is_called() -> None:
    for name in ("row", "rows", "random", "windows", "shuffled"):
        with pytest.raises(LeakError, match="a test of memory"):
            divide(name, ["a", "b"])
    with pytest.raises(UnknownName, match="did you mean 'person'"):
        divide("persn", ["a", "b"])
    with pytest.raises(InputError, match="no person is named"):
        divide("person")
    with pytest.raises(InputError, match="no times are given"):
        divide("time", ["a", "b"])


def test_in_a_split_by_time_the_test_is_later_than_the_training_by_the_gap() -> None:
    """By hand: ten times 0..90, in turned order; cut at 50 with a gap of 20 leaves 0, 10 and 20."""
    t_ns = np.arange(0, 100, 10)[::-1]
    train, test = by_time(t_ns, 50, 20)
    assert sorted(t_ns[train].tolist()) == [0, 10, 20]
    assert sorted(t_ns[test].tolist()) == [50, 60, 70, 80, 90]
    with pytest.raises(InputError, match="0 rows before the cut"):
        by_time(t_ns, 0)


@given(st.lists(st.integers(0, 40), min_size=2, max_size=60), st.integers(1, 5))
def test_in_folds_by_time_each_test_is_later_and_equal_times_stay_together(times: list[int], folds: int) -> None:
    t_ns = np.array(times)
    if len(set(times)) < folds + 1:
        with pytest.raises(InputError, match="different times"):
            time_folds(t_ns, folds)
        return
    found = time_folds(t_ns, folds)
    assert len(found) == folds
    for train, test in found:
        assert t_ns[train].max() < t_ns[test].min()
    tested = [row for _, test in found for row in test.tolist()]
    assert len(tested) == len(set(tested))
    assert sorted(tested) == np.flatnonzero(t_ns >= t_ns[found[0][1]].min()).tolist()


def test_training_on_what_came_after_the_test_began_is_a_leak() -> None:
    t_ns = np.array([0, 10, 20, 30])
    check_time(t_ns, np.array([0, 1]), np.array([2, 3]))
    with pytest.raises(LeakError, match="1 rows of the training are not before the test"):
        check_time(t_ns, np.array([0, 3]), np.array([1, 2]))
    with pytest.raises(LeakError):
        check_time(t_ns, np.array([0, 1]), np.array([2, 3]), gap_ns=10)


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 30), st.integers(0, 6), st.booleans()), min_size=2, max_size=14)
)
def test_overlapping_windows_are_found_as_a_comparison_of_all_pairs_finds_them(
    windows: list[tuple[str, int, int, bool]]
) -> None:
    groups = [g for g, *_ in windows]
    first = np.array([a for _, a, _, _ in windows])
    last = first + np.array([n for _, _, n, _ in windows])
    test = np.flatnonzero([apart for *_, apart in windows])
    train = np.flatnonzero([not apart for *_, apart in windows])
    shared = {
        int(j) for i in train for j in test if groups[i] == groups[j] and first[i] <= last[j] and first[j] <= last[i]
    }
    if not shared:
        check_overlap(groups, first, last, train, test)
        return
    with pytest.raises(LeakError, match=f"{len(shared)} windows of the test share samples"):
        check_overlap(groups, first, last, train, test)
