"""The ridge on classes: left-out answers in closed form are those of fitting anew."""

from __future__ import annotations

import numpy as np
import pytest

from loopwright.core.errors import InputError
from loopwright.learn.classing import ridge_classes
from loopwright.learn.metrics.classes import most_likely


def made_up(n: int = 40, f: int = 25, seed: int = 0) -> tuple[np.ndarray, list[str], list[str]]:
    """(features, classes, groups of four), the first features telling the class."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, n)
    x = rng.standard_normal((n, f))
    x[:, :3] += 1.5 * np.eye(3)[truth]
    return x, [f"class{k}" for k in truth], [f"group{i // 4}" for i in range(n)]


@pytest.mark.parametrize("size", [1, 4])
def test_left_out_answers_are_those_of_fitting_without_the_group(size: int) -> None:
    x, labels, _ = made_up()
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    y = np.where(np.array(labels)[:, None] == np.array(sorted(set(labels))), 1.0, -1.0)
    gram = z @ z.T / z.shape[1]
    blocks = [np.arange(i, i + size) for i in range(0, len(z), size)]
    values, vectors = np.linalg.eigh(gram)
    for strength in (1e-3, 0.1, 10.0):
        fast = ridge_classes.left_out(np.maximum(values, 0.0), vectors, y, strength, blocks)
        for rows in blocks:
            kept = np.setdiff1d(np.arange(len(z)), rows)
            wide = np.column_stack([z[kept] / np.sqrt(z.shape[1]), np.ones(len(kept))])
            penalty = np.diag([strength] * z.shape[1] + [0.0])
            beta = np.linalg.solve(wide.T @ wide + penalty, wide.T @ y[kept])
            slow = np.column_stack([z[rows] / np.sqrt(z.shape[1]), np.ones(len(rows))]) @ beta
            np.testing.assert_allclose(fast[rows], slow, rtol=1e-6, atol=1e-8)


def test_the_weights_are_those_of_scikit_learns_ridge() -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    x, labels, groups = made_up()
    (head,) = ridge_classes.fit(x, [labels], groups)
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    y = np.where(np.array(labels)[:, None] == np.array(head["classes"]), 1.0, -1.0)
    peer = linear.Ridge(alpha=head["strength"] * x.shape[1]).fit(z, y)
    np.testing.assert_allclose(head["weights"], peer.coef_.T, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(head["bias"], peer.intercept_, atol=1e-9)


def test_several_answers_at_once_are_those_of_one_after_the_other() -> None:
    x, labels, groups = made_up()
    other = ["left" if i % 3 else "right" for i in range(len(labels))]
    both = ridge_classes.fit(x, [labels, other], groups)
    for head, alone in zip(both, (labels, other), strict=True):
        (single,) = ridge_classes.fit(x, [alone], groups)
        np.testing.assert_array_equal(ridge_classes.predict(head, x), ridge_classes.predict(single, x))


def test_left_out_probabilities_promise_what_new_cases_keep() -> None:
    """Chosen by left-out groups, the mean promised and the share that comes true differ by less than three deviations."""
    x, labels, groups = made_up(400, seed=1)
    new, truth, _ = made_up(400, seed=2)
    (head,) = ridge_classes.fit(x, [labels], groups)
    p = ridge_classes.predict(head, new)
    right = np.array([said == one for said, one in zip(most_likely(head["classes"], p), truth, strict=True)])
    deviation = np.sqrt((p.max(axis=1) * (1.0 - p.max(axis=1))).sum()) / len(p)
    assert abs(right.mean() - p.max(axis=1).mean()) < 3.0 * deviation


def test_features_that_never_change_say_nothing() -> None:
    x, labels, groups = made_up()
    x[:, 5] = 7.0
    (head,) = ridge_classes.fit(x, [labels], groups)
    far = x.copy()
    far[:, 5] = 1e6
    np.testing.assert_array_equal(ridge_classes.predict(head, far), ridge_classes.predict(head, x))


def test_one_class_alone_is_always_answered_and_no_row_is_refused() -> None:
    x, _, groups = made_up()
    (head,) = ridge_classes.fit(x, [["only"] * len(x)], groups)
    assert (ridge_classes.predict(head, x) == 1.0).all()
    with pytest.raises(InputError, match="at least one"):
        ridge_classes.fit(np.empty((0, 3)), [[]], [])


def test_rows_of_another_width_are_refused() -> None:
    x, labels, groups = made_up()
    (head,) = ridge_classes.fit(x, [labels], groups)
    with pytest.raises(InputError, match="25 it was fitted with"):
        ridge_classes.predict(head, x[:, :5])
