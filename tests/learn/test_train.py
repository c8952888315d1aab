"""A trained model carries its card, does not judge what it has seen as if it had not, and is the same every time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from loopwright.core.errors import InputError, StoreError
from loopwright.learn.kept import registry
from loopwright.learn.splits import LeakError
from loopwright.learn.wear.runs import Features
from loopwright.learn.wear.train import judge, restore, train
from tests.learn.run_rows import made_up

QUICK = ["unsteadiness", "ridge"]


def test_the_card_names_metrics_baseline_cut_and_limits() -> None:
    features, y = made_up(16, effect=0.8)
    card = train(features, y, known_by_ns=123, models=QUICK).card
    assert card.known_by_ns == 123
    assert card.metrics["of"] == 16
    assert card.baseline["name"] in ("majority", "feed_clamp")
    assert "Learned from 16 runs, 8 with a worn tool of 3 things" in card.limits
    assert card.loss == "Brier score"
    assert card.metrics["loss"] < card.baseline["loss"]
    assert sum(row["units"] for row in card.groups.values()) == 16
    assert card.cost["cpu_s"] > 0
    assert "W" in card.cost["energy_method"] or "RAPL" in card.cost["energy_method"]
    assert "found" in card.worst[0]["says"]
    assert card.id == f"tool-wear/unsteadiness@{card.weights_hash[:8]}"


@pytest.mark.slow
def test_the_same_runs_give_the_same_weights_and_other_runs_others() -> None:
    features, y = made_up(14, effect=0.8)
    first, again = train(features, y, 1, models=QUICK), train(features, y, 1, models=QUICK)
    assert replace(first.card, cost={}) == replace(again.card, cost={})
    assert registry.address(first.kept()) == first.card.weights_hash
    other = train(*made_up(14, effect=0.8, seed=5), known_by_ns=1, models=QUICK).card
    assert other.weights_hash != first.card.weights_hash


@pytest.mark.parametrize("model", [*QUICK, pytest.param("boosting", marks=pytest.mark.slow)])
def test_a_model_that_was_kept_judges_as_it_did_before(tmp_path: Path, model: str) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed (pip install 'loopwright[learn]')")
    features, y = made_up(14, effect=0.8)
    trained = train(features, y, 1, models=[model])
    name = registry.save(tmp_path, trained.kept())
    assert name == trained.card.weights_hash
    again = restore(registry.load(tmp_path, name), trained.card)
    new = Features(tuple(f"new-{run}" for run in features.runs), features.names, features.values)
    assert judge(again, new) == judge(trained, new)
    with pytest.raises(StoreError, match="kept for 'forecast'"):
        restore({"task": "forecast"}, trained.card)


def test_a_run_that_was_trained_on_is_judged_by_the_model_without_it() -> None:
    features, y = made_up(14, effect=0.8)
    trained = train(features, y, 1, models=QUICK)
    judged = judge(trained, features)
    for run in features.runs:
        assert judged[run]["seen"]
        assert judged[run]["probability"] == trained.evaluation["models"][trained.name]["probability"][run]


def test_new_runs_are_judged_right_and_their_intervals_hold_the_judgement() -> None:
    features, y = made_up(16, effect=0.8)
    trained = train(features, y, 1, models=QUICK)
    new, truth = made_up(40, effect=0.8, seed=9)
    new = Features(tuple(f"new-{run}" for run in new.runs), new.names, new.values)
    judged = judge(trained, new)
    right = [(judged[run]["probability"] >= 0.5) == (label > 0.5) for run, label in zip(new.runs, truth, strict=True)]
    assert np.mean(right) > 0.9
    for one in judged.values():
        assert not one["seen"]
        assert one["low"] <= one["probability"] <= one["high"]
    assert judge(trained, new.take([])) == {}


def test_too_few_runs_are_refused_with_the_reason() -> None:
    features, y = made_up(4)
    with pytest.raises(InputError, match="only 4 labelled runs"):
        train(features, y, 1)


def test_a_label_known_after_the_cut_is_a_leak() -> None:
    features, y = made_up(8)
    with pytest.raises(LeakError, match="after the cut"):
        train(features, y, known_by_ns=10, known_ns=[1, 2, 3, 4, 5, 6, 7, 11])
