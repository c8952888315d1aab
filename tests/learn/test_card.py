"""A card is made from facts: groups, ranges, the worst cases, seconds and energy with the method named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from loopwright.core.errors import InputError
from loopwright.learn.kept import card
from loopwright.learn.kept.card import Facts, Losses

LOSSES = Losses("Brier score", ("a", "b", "c", "d"), np.array([0.0, 0.5, 0.1, 0.2]), np.array([0.3, 0.3, 0.3, 0.3]), {"machine": ["m1", "m1", "m2", "m2"]}, ("", "fast feed", "", ""))
FACTS = Facts(("x",), ("m1", "m2"), 7, "leave one run out", {"accuracy": 0.75}, {"name": "majority", "accuracy": 0.5}, {"x": [0.0, 2.0]}, {"runs": 4, "kinds of cut": ["dry", "wet"]}, ("It cannot tell how far.",))


def test_a_card_says_the_facts() -> None:
    made = card.card("tool-wear", "ridge", "0" * 64, LOSSES, FACTS, {"wall_s": 1.0})
    assert made.id == "tool-wear/ridge@00000000"
    assert made.metrics == {"accuracy": 0.75, "loss": pytest.approx(0.2)}
    assert made.baseline == {"name": "majority", "accuracy": 0.5, "loss": pytest.approx(0.3)}
    assert made.groups["machine m1"] == {"units": 2, "loss": 0.25, "baseline_loss": pytest.approx(0.3)}
    assert made.groups["machine m2"]["loss"] == pytest.approx(0.15)
    assert [one["unit"] for one in made.worst] == ["b", "d", "c", "a"]
    assert made.worst[0]["says"] == "fast feed"
    assert "Learned from 4 runs of 2 things (m1, m2)." in made.limits
    assert "kinds of cut: dry, wet" in made.limits
    assert made.limits.endswith("It cannot tell how far.")
    assert made.data["ranges"] == {"x": [0.0, 2.0]}


def test_a_number_that_is_none_stands_as_none() -> None:
    odd = replace(FACTS, metrics={"auc": float("nan"), "of": 4})
    assert card.card("t", "m", "0" * 64, LOSSES, odd, {}).metrics == {"auc": None, "of": 4, "loss": pytest.approx(0.2)}


def test_what_lies_outside_of_training_is_told_in_words() -> None:
    ranges = card.ranges_of(["x", "y", "z"], np.array([[1.0, np.nan, np.nan], [3.0, 5.0, np.inf]]))
    assert ranges == {"x": [1.0, 3.0], "y": [5.0, 5.0]}
    assert card.outside(ranges, ["x", "y", "z"], [2.0, 5.0, 9.0]) == []
    assert card.outside(ranges, ["x", "y"], [4.0, np.nan]) == ["x is 4, in training it was 1 to 3"]


@pytest.mark.parametrize(("units", "ours", "groups"), [((), [], {}), (("a", "a"), [1, 2], {}), (("a",), [1, 2], {}), (("a",), [np.nan], {}), (("a",), [1.0], {"machine": ["m", "m"]})])
def test_losses_that_make_no_sense_are_refused(units: tuple[str, ...], ours: list[float], groups: dict[str, list[str]]) -> None:
    with pytest.raises(InputError):
        Losses("x", units, np.array(ours), np.array(ours), groups)


def test_without_a_counter_energy_is_processor_seconds_times_a_stated_power(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(card, "RAPL", tmp_path / "none")
    with card.spent() as cost:
        sum(i * i for i in range(200_000))
    assert cost["cpu_s"] > 0
    assert cost["energy_j"] == pytest.approx(cost["cpu_s"] * card.WATTS)
    assert cost["energy_method"] == "processor seconds x 12 W"


def test_a_counter_that_may_be_read_is_read_even_when_it_begins_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for package, part in (("intel-rapl:0", "intel-rapl:0:0"), ("intel-rapl:1", "")):
        for name in (package, part):
            if name:
                (tmp_path / name).mkdir()
                (tmp_path / name / "energy_uj").write_text("900000\n")
                (tmp_path / name / "max_energy_range_uj").write_text("1000000\n")
    monkeypatch.setattr(card, "RAPL", tmp_path)
    with card.spent() as cost:
        (tmp_path / "intel-rapl:0" / "energy_uj").write_text("100000\n")  # 0.1 J up to its end, 0.1 J after
        (tmp_path / "intel-rapl:1" / "energy_uj").write_text("950000\n")
    assert cost["energy_j"] == pytest.approx(0.25)
    assert cost["energy_method"].startswith("read from the processor (RAPL)")
