"""The printed number is honest: it beats nothing by chance, covers the choice of the model, and says when it cannot say."""

from __future__ import annotations

import json

import numpy as np
import pytest

from loopwright.core.errors import InputError
from loopwright.learn.wear.evaluate import auc, evaluate_runs, group_copies, log_loss, rounded, score, why_not
from loopwright.learn.wear.runs import Features
from tests.learn.run_rows import made_up

QUICK = ["majority", "feed_clamp", "unsteadiness", "ridge"]


def test_wear_that_shows_is_found_and_the_set_up_alone_does_not_find_it() -> None:
    features, y = made_up(16, effect=0.8)
    result = evaluate_runs(features, y, models=QUICK)
    assert result["nested"]["correct"] >= 14
    assert result["better_than_baseline"]
    assert result["models"]["unsteadiness"]["correct"] > result["models"]["feed_clamp"]["correct"]
    assert "runs right that were not seen" in result["verdict"]


@pytest.mark.slow
def test_where_there_is_nothing_to_find_it_says_not_better() -> None:
    """Twenty sets without any effect: at most two may look better (the interval's lower end allows 2.5 %)."""
    better = sum(evaluate_runs(*made_up(14, effect=0.0, seed=seed), models=QUICK)["better_than_baseline"] for seed in range(20))
    assert better <= 2


def test_not_better_is_said_in_words() -> None:
    result = evaluate_runs(*made_up(14, effect=0.0, seed=1), models=QUICK)
    assert not result["better_than_baseline"]
    assert "better than" in result["verdict"]


@pytest.mark.parametrize(
    ("labels", "word"), [([0, 1, 0, 1, 1], "only 5 labelled runs"), ([1] * 9, "9 worn and 0 unworn"), ([0] * 8 + [1, 1], "2 worn")]
)
def test_too_few_runs_or_one_class_only_are_not_judged(labels: list[int], word: str) -> None:
    features, _ = made_up(len(labels))
    result = evaluate_runs(features, np.array(labels))
    assert word in result["abstains"]
    assert not result["better_than_baseline"]
    assert word in why_not(np.array(labels))


def test_copies_of_a_run_are_left_out_together() -> None:
    """A copy under another name would otherwise be judged by a model that has seen it."""
    features, _ = made_up(8, effect=0.0)
    doubled = Features((*features.runs, *(f"copy-{run}" for run in features.runs)), features.names, np.vstack([features.values] * 2))
    assert group_copies(doubled) == [*features.runs, *features.runs]
    y = np.array([0, 0, 0, 0, 1, 1, 1, 1] * 2)
    result = evaluate_runs(doubled, y, models=QUICK)
    assert result["nested"]["correct"] < 16


def test_the_result_is_plain_data_and_names_cost_and_intervals() -> None:
    result = evaluate_runs(*made_up(12), models=QUICK)
    json.dumps(result, allow_nan=False)
    for name in QUICK:
        row = result["models"][name]
        assert 0.0 <= row["low"] <= row["accuracy"] <= row["high"] <= 1.0
        assert row["fit_s"] >= 0.0
        assert row["predict_us_per_run"] > 0.0
    assert set(result["nested"]["chosen"]) == set(made_up(12)[0].runs)
    assert rounded({"a": 0.123456, "b": {"c": float("nan")}}) == {"a": 0.123, "b": {"c": None}}


def test_baselines_are_always_there_and_boosting_is_a_peer_where_it_is_installed() -> None:
    result = evaluate_runs(*made_up(12), models=["ridge"])
    assert set(result["models"]) == {"majority", "feed_clamp", "ridge"}
    pytest.importorskip("sklearn")
    assert "boosting" in evaluate_runs(*made_up(8), models=["boosting"])["models"]


def test_a_model_whose_library_is_missing_is_listed_as_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    from loopwright.learn.models.wear import boosting

    monkeypatch.setattr(boosting.importlib.util, "find_spec", lambda name: None)
    result = evaluate_runs(*made_up(8), models=["ridge", "boosting"])
    assert "pip install 'loopwright[learn]'" in result["models"]["boosting"]["skipped"]
    assert result["champion"] != "boosting"


def test_metrics_are_those_of_a_hand_calculation() -> None:
    """Scores 0.1, 0.4, 0.35, 0.8 of classes 0, 0, 1, 1 have an AUC of 3/4 (the example of scikit-learn's roc_auc_score)."""
    y, p = np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.1, 0.4, 0.35, 0.8])
    assert auc(y, p) == 0.75
    row = score(("a", "b", "c", "d"), y, p)
    assert (row["correct"], row["balanced_accuracy"]) == (3, 0.75)
    assert row["brier"] == pytest.approx((0.01 + 0.16 + 0.4225 + 0.04) / 4)
    assert log_loss(y, p) == pytest.approx(-np.mean(np.log([0.9, 0.6, 0.35, 0.8])))
    assert log_loss(np.array([1.0]), np.array([0.0])) == pytest.approx(-np.log(0.01))


def test_labels_that_are_no_labels_are_refused() -> None:
    features, _ = made_up(8)
    with pytest.raises(InputError, match="one 0 or 1 for each run"):
        evaluate_runs(features, np.array([0.5] * 8))
