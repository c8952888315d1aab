"""A model's card says what is so, also what is missing."""

from loopwright.core.types import Model
from loopwright.govern import fairness
from loopwright.govern.cards import markdown, model_card

MODEL = Model(
    "wear-1",
    "tell worn from unworn tools",
    ("spindle.load",),
    0,
    {"accuracy": 0.83},
    {"accuracy": 0.56},
    "ab" * 32,
    "0.1.0",
    "this mill only",
    "whole runs left out",
)


def test_a_model_that_beats_its_baseline_and_serves_groups_alike_is_fit_for_release():
    fair = fairness.error_gap([1.0] * 20, ["a"] * 10 + ["b"] * 10, 0.1)
    card = model_card(MODEL, [fair])
    assert card["beats_baseline"] is True
    assert card["fit_for_release"] is True
    text = markdown(card)
    assert "| accuracy | 0.83 | 0.56 | yes |" in text
    assert "Fit for release: yes." in text
    assert "this mill only" in text


def test_a_model_that_loses_has_no_baseline_or_harms_a_group_is_not():
    unfair = fairness.error_gap([1.0] * 10 + [3.0] * 10, ["a"] * 10 + ["b"] * 10, 0.1)
    assert not model_card(MODEL, [unfair])["fit_for_release"]
    assert not model_card(MODEL, lower_is_better=True)["fit_for_release"]
    bare = Model("m", "t", (), 0, {"accuracy": 0.9}, {}, "", "", "")
    card = model_card(bare)
    assert card["beats_baseline"] is None
    assert not card["fit_for_release"]
    assert card["groups_word"] == "no group was looked at"
    assert "no baseline" in markdown(card)
    assert "not stated" in markdown(card)
