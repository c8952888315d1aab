"""Metrics of classes against scikit-learn and hand calculations."""

from __future__ import annotations

import numpy as np
import pytest

from loopwright.core.errors import InputError
from loopwright.learn.intervals import clopper_pearson
from loopwright.learn.metrics import classes as metrics

CLASSES = ["a", "b", "c"]


def answers(n: int = 60, seed: int = 0) -> tuple[list[str], np.ndarray]:
    """Made-up truth and probabilities, some of them equal."""
    rng = np.random.default_rng(seed)
    truth = [CLASSES[k] for k in rng.integers(0, 3, n)]
    p = np.round(rng.dirichlet([1.0, 2.0, 1.5], n), 1) + 1e-3
    return truth, p / p.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("seed", range(3))
def test_they_are_those_of_scikit_learn(seed: int) -> None:
    reference = pytest.importorskip("sklearn.metrics")
    truth, p = answers(seed=seed)
    said = metrics.most_likely(CLASSES, p)
    row = metrics.score(CLASSES, truth, p)
    assert row["accuracy"] == pytest.approx(reference.accuracy_score(truth, said), abs=1e-12)
    assert row["balanced_accuracy"] == pytest.approx(reference.balanced_accuracy_score(truth, said), abs=1e-12)
    assert row["macro_f1"] == pytest.approx(reference.f1_score(truth, said, average="macro"), abs=1e-12)
    areas = [reference.roc_auc_score([one == name for one in truth], p[:, k]) for k, name in enumerate(CLASSES)]
    assert row["auc"] == pytest.approx(np.mean(areas), abs=1e-12)
    np.testing.assert_array_equal(
        metrics.confusion(CLASSES, truth, said), reference.confusion_matrix(truth, said, labels=CLASSES)
    )


def test_the_logarithmic_loss_is_that_of_scikit_learn() -> None:
    reference = pytest.importorskip("sklearn.metrics")
    truth, p = answers()
    p = 0.9 * p + 0.1 / 3.0  # nothing below the clip
    assert metrics.log_loss(CLASSES, truth, p) == pytest.approx(reference.log_loss(truth, p, labels=CLASSES), abs=1e-12)


def test_the_area_of_two_classes_is_that_of_a_hand_calculation() -> None:
    """Scores 0.1, 0.4, 0.35, 0.8 of classes 0, 0, 1, 1 have an area of 3/4 (the example of scikit-learn)."""
    p = np.array([0.1, 0.4, 0.35, 0.8])
    assert metrics.auc(["no", "yes"], ["no", "no", "yes", "yes"], np.column_stack([1.0 - p, p])) == 0.75


def test_the_interval_is_the_exact_one() -> None:
    """12 of 13: Clopper and Pearson give 0.6397 to 0.9981 (also scipy.stats.binomtest)."""
    p = np.tile([0.9, 0.1], (13, 1))
    row = metrics.score(["x", "y"], ["x"] * 12 + ["y"], p)
    assert (row["correct"], row["cases"]) == (12, 13)
    assert (row["low"], row["high"]) == pytest.approx(clopper_pearson(12, 13))
    assert row["low"] == pytest.approx(0.6397, abs=1e-4)


def test_a_class_that_the_model_does_not_know_counts_as_wrong_and_not_as_nothing() -> None:
    row = metrics.score(["x", "y"], ["x", "z"], np.array([[1.0, 0.0], [0.5, 0.5]]))
    assert row["accuracy"] == 0.5
    assert row["log_loss"] == pytest.approx((-np.log(0.99) - np.log(0.01)) / 2.0)


def test_one_true_class_alone_has_no_area_and_says_none() -> None:
    row = metrics.score(["x", "y"], ["x", "x"], np.array([[0.7, 0.3], [0.4, 0.6]]))
    assert row["auc"] is None
    assert row["balanced_accuracy"] == 0.5


def test_nothing_to_score_and_numbers_that_are_none_are_refused() -> None:
    with pytest.raises(InputError, match="at least one"):
        metrics.score(["x"], [], np.empty((0, 1)))
    with pytest.raises(InputError, match="finite"):
        metrics.score(["x", "y"], ["x"], np.array([[np.nan, 1.0]]))
