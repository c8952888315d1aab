"""The protocol of classes: who is left out, who is chosen on what, what is written, and what is refused."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from loopwright.core.errors import InputError
from loopwright.learn.classing import class_out
from loopwright.learn.classing.cases import Cases, ClassSet
from loopwright.learn.classing.folds import copies_together, grouped_folds, inner_folds
from loopwright.learn.models.classes import ensemble, majority, spectra
from loopwright.learn.proof import classes as proof
from loopwright.learn.proof import classes_said
from loopwright.learn.rows import document
from loopwright.learn.splits import check_split
from tests.every.test_class_models import waves
from tests.learn.test_class_sets import TS, recordings, shared

QUIET = ["euclid", "majority", "spectra"]


def silent(text: str) -> None:
    """Progress that nobody reads."""


def a_set(n: int = 16, name: str = "made/up", apart: bool = False, classes: int = 2) -> ClassSet:
    cases, labels = waves(n, classes=classes)
    held = np.arange(n) >= n // 2 if apart else None
    groups = tuple(f"run{i // 2}" for i in range(n))
    return ClassSet(name, Cases(cases.ids, cases.values, cases.channels), tuple(labels), groups, "run", held)


def told(one: ClassSet, monkeypatch: pytest.MonkeyPatch, out: Path | None = None, seeds: int = 2,
         models: list[str] | None = None) -> dict[str, object]:
    monkeypatch.setattr(proof, "read", lambda path, mapping=None: (one,))
    return document(*proof.rows(Path(), models or QUIET, seeds, out, silent))


def test_groups_stay_whole_and_every_case_is_asked_once() -> None:
    one = a_set()
    folds = classes_said.outer_folds(one)
    assert sorted(np.concatenate([asked for _, asked in folds]).tolist()) == list(range(16))
    for train, asked in folds:
        check_split(one.groups, train, asked)


def test_of_many_groups_ten_folds_hold_each_class_about_alike() -> None:
    groups = [f"g{i}" for i in range(100)]
    labels = ["rare" if i % 10 == 0 else "usual" for i in range(100)]
    folds = grouped_folds(groups, labels, 10)
    assert [Counter(labels[i] for i in asked) for _, asked in folds] == [{"rare": 1, "usual": 9}] * 10


def test_of_a_dozen_groups_each_is_left_out_alone_inside_and_of_many_whole_shares() -> None:
    few = inner_folds([f"run{i // 2}" for i in range(24)], ["a", "b"] * 12)
    assert [len(asked) for _, asked in few] == [2] * 12
    assert len(inner_folds([f"g{i}" for i in range(40)], ["a", "b"] * 20)) == 4
    assert inner_folds(["one"] * 8, ["a", "b"] * 4) == []


@pytest.mark.slow
def test_the_blend_of_the_proof_is_the_blend_that_is_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mixed from what its members said, it answers as `ensemble.fit` and `predict` without the asked rows."""
    pytest.importorskip("sklearn")
    pytest.importorskip("numba")
    one = a_set(12)
    family, _ = classes_said.prepared([one], ["ensemble"], {})
    (p,) = classes_said.say(family, "ensemble", 0, -1, 0)
    train, asked = family.folds[0]
    state = ensemble.fit(one.cases.take(train), [one.labels[i] for i in train], [one.groups[i] for i in train], 0)
    np.testing.assert_allclose(p, ensemble.predict(state, one.cases.take(asked)), atol=1e-12)


@pytest.mark.slow
def test_the_shares_of_a_blend_inside_do_not_depend_on_the_fold_that_is_asked() -> None:
    """Of the inner fold that is asked only the probabilities of its cases may change with its labels: none does."""
    pytest.importorskip("sklearn")
    pytest.importorskip("numba")
    one = a_set(12)
    family, _ = classes_said.prepared([one], ["ensemble"], {})
    (_, asked), before = classes_said.inner_of(family, 0)[0], classes_said.say(family, "ensemble", 0, 0, 0)[0]
    turned = ["kind1" if label == "kind0" else "kind0" for label in one.labels]
    labels = tuple(turned[i] if i in asked else label for i, label in enumerate(one.labels))
    other = classes_said.Family([ClassSet(one.name, one.cases, labels, one.groups, one.split)], family.classes,
                                family.folds, family.modules, dict(family.inner), dict(family.said))
    other.said.pop(("ensemble", 0, 0, 0))
    np.testing.assert_array_equal(before, classes_said.say(other, "ensemble", 0, 0, 0)[0])


def test_the_blend_is_taken_unless_another_is_better_by_more_than_a_standard_error() -> None:
    modules = {"one": majority, "ensemble": ensemble}
    groups = [f"g{i}" for i in range(8)]
    blend = np.full(8, 0.5)
    wavering = blend + np.tile([0.4, -0.5], 4)  # better by 0.05, give or take 0.17
    assert classes_said.taken({"one": wavering, "ensemble": blend}, groups, modules) == "ensemble"
    assert classes_said.taken({"one": blend - 0.05, "ensemble": blend}, groups, modules) == "one"
    assert classes_said.taken({"one": wavering}, groups, modules) == "one"


def test_a_peer_is_asked_in_the_same_folds_and_never_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "read", lambda path, mapping=None: (a_set(),))
    rows, champion = proof.rows(Path(), ["majority"], 1, None, silent, peers={"peer:spectra": spectra})
    right = {row.model: row.metrics["accuracy"] for row in rows}
    assert right["peer:spectra"] > right["majority"]
    assert champion["made/up"].model == "majority"


def test_copies_of_a_case_are_left_out_together() -> None:
    same = np.ones((1, 4))
    groups = copies_together(["a", "b", "c", "a"], [same, same * 2, same * 3, same * 2])
    assert groups[0] == groups[1] == groups[3]
    assert groups[2] == "c"


def test_rows_stand_with_their_baseline_and_every_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    found = told(a_set(), monkeypatch)
    assert [row["model"] for row in found["rows"]] == QUIET
    for row in found["rows"]:
        assert (row["set"], row["task"], row["split"], row["seeds"]) == ("made/up", "class", "run", 2)
        assert set(row["metrics"]) >= {"accuracy", "low", "high", "balanced_accuracy", "macro_f1", "auc", "log_loss"}
        assert row["baseline"] in ("euclid", "majority")
    assert found["champion"]["made/up"]["model"] == "spectra"


def test_the_champion_of_a_published_split_does_not_depend_on_the_test_part(monkeypatch: pytest.MonkeyPatch) -> None:
    one = a_set(apart=True)
    turned = tuple(
        label if not held else ("kind1" if label == "kind0" else "kind0")
        for label, held in zip(one.labels, one.apart, strict=True)
    )
    wrong = ClassSet(one.name, one.cases, turned, one.groups, one.split, one.apart)
    first, second = told(one, monkeypatch), told(wrong, monkeypatch)
    assert first["champion"] == second["champion"]
    accuracy = {row["model"]: row["metrics"]["accuracy"] for row in first["rows"]}
    against = {row["model"]: row["metrics"]["accuracy"] for row in second["rows"]}
    assert against["spectra"] == pytest.approx(1.0 - accuracy["spectra"])


def test_no_model_sees_the_class_of_what_it_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whatever the label of the last run says, it is answered alike."""
    one = a_set()
    other = ClassSet(one.name, one.cases, (*one.labels[:-2], "kind1", "kind0"), one.groups, one.split)
    answers = []
    for which, folder in ((one, "a"), (other, "b")):
        (tmp_path / folder).mkdir()
        told(which, monkeypatch, tmp_path / folder, seeds=1, models=["euclid"])
        with (tmp_path / folder / "made_up.csv").open() as file:
            answers.append(list(csv.DictReader(file))[-2:])
    for before, after in zip(*answers, strict=True):
        assert before["p_kind0"] == after["p_kind0"]
        assert before["truth"] != after["truth"]


def test_out_has_a_line_for_each_case_with_its_probabilities(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    one = a_set()
    unknown = ClassSet(one.name, one.cases, ("", "", *one.labels[2:]), one.groups, one.split)
    found = told(unknown, monkeypatch, tmp_path)
    with (tmp_path / "made_up.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["case"] for row in rows] == list(one.cases.ids)
    assert [row["truth"] for row in rows[:3]] == ["", "", "kind0"]
    for row in rows:
        p = {name: float(row[f"p_{name}"]) for name in ("kind0", "kind1")}
        assert sum(p.values()) == pytest.approx(1.0, abs=2e-6)
        assert row["said"] == max(p, key=lambda name: p[name])
    assert {row["metrics"]["cases"] for row in found["rows"]} == {14}


def test_one_class_or_one_group_is_refused_with_words(monkeypatch: pytest.MonkeyPatch) -> None:
    one = a_set()
    with pytest.raises(InputError, match="1 classes"):
        told(ClassSet("x", one.cases, ("same",) * 16, one.groups, "run"), monkeypatch)
    with pytest.raises(InputError, match="1 groups"):
        told(ClassSet("x", one.cases, one.labels, ("g",) * 16, "run"), monkeypatch)


def test_a_class_of_one_member_is_scored_as_missed_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    one = a_set()
    found = told(ClassSet("x", one.cases, ("rare", *one.labels[1:]), one.groups, "run"), monkeypatch)
    best = found["champion"]["x"]["model"]
    notes = next(row["notes"] for row in found["rows"] if row["model"] == best)
    assert any("rare (1)" in note for note in notes)


@pytest.mark.slow
def test_the_named_sets_of_one_family_are_answered_as_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    one = a_set()
    other = ClassSet("made/other", one.cases, tuple("left" if i % 3 else "right" for i in range(16)), one.groups, "run")
    monkeypatch.setattr(proof, "read", lambda path, mapping=None: (one, other))
    both = document(*proof.rows(Path(), QUIET, 1, None, silent))
    for single in (one, other):
        alone = told(single, monkeypatch, seeds=1)
        mine = [row for row in both["rows"] if row["set"] == single.name]
        assert [row["metrics"] for row in mine] == [row["metrics"] for row in alone["rows"]]


def test_a_class_of_one_group_alone_is_told_for_it_is_never_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    one = a_set()
    groups = tuple("first" if label == "kind0" else "second" for label in one.labels)
    found = told(ClassSet(one.name, one.cases, one.labels, groups, one.split), monkeypatch, seeds=1)
    assert {row["metrics"]["accuracy"] for row in found["rows"]} == {0.0}
    notes = [note for row in found["rows"] for note in row.get("notes", ())]
    assert "classes that stand in one run alone are never answered there: kind0, kind1" in notes


def test_a_training_part_of_one_class_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    one = a_set(apart=True)
    labels = tuple("kind0" if not held else label for label, held in zip(one.labels, one.apart, strict=True))
    with pytest.raises(InputError, match="one class alone"):
        told(ClassSet(one.name, one.cases, labels, one.groups, one.split, one.apart), monkeypatch)


@pytest.mark.parametrize("strange", ["missing", "infinite", "huge", "tiny", "one sample", "odd words"])
def test_strange_series_and_words_give_a_table_without_nan(
    strange: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    one = a_set(8)
    values = {
        "missing": [np.full((2, 30 + i), np.nan) for i in range(8)],
        "infinite": [np.where(v > 0.5, np.inf, v) for v in one.cases.values],
        "huge": [v * 1e29 for v in one.cases.values], "tiny": [v * 1e-300 for v in one.cases.values],
        "one sample": [v[:, :1] for v in one.cases.values],
    }.get(strange, list(one.cases.values))
    labels = ("left, right", "é:/") * 4 if strange == "odd words" else one.labels
    cases = Cases(one.cases.ids, tuple(values), one.cases.channels)
    found = told(ClassSet(one.name, cases, labels, one.groups, one.split), monkeypatch, tmp_path, seeds=1)
    assert {row["metrics"]["cases"] for row in found["rows"]} == {8}
    assert "nan" not in (tmp_path / "made_up.csv").read_text().lower()


def test_recordings_are_judged_by_the_mean_of_their_windows() -> None:
    p = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]])
    found = class_out.recordings(["x", "y"], ["x", "x", "x"], p, ["one", "one", "two"])
    assert found == {"recordings": 2, "recordings_correct": 1}


def test_folders_of_both_kinds_run_from_end_to_end(tmp_path: Path) -> None:
    gears, motions = tmp_path / "gears", tmp_path / "motions"
    gears.mkdir()
    motions.mkdir()
    recordings(gears, (0, 10, 20))
    rows, champion = proof.rows(gears, QUIET, 1, None, silent)
    assert {row.set for row in rows} == {"gearbox", "gearbox/other_loads"} == set(champion)
    assert {row.metrics["recordings"] for row in rows if row.set == "gearbox"} == {6}
    (motions / "Small_TRAIN.ts").write_text(TS + "1,2,4:4,5,6:a\n7,8,9:0,1:b\n")
    (motions / "Small_TEST.ts").write_text(TS)
    rows, _ = proof.rows(motions, QUIET, 1, None, silent)
    assert {row.metrics["cases"] for row in rows} == {2}


@pytest.mark.slow
def test_on_basic_motions_random_convolutions_get_more_right_than_time_warping() -> None:
    """Published for most methods: 1.00 on the 40 test cases (data/imu_basicmotions/README.md)."""
    pytest.importorskip("numba")
    rows, champion = proof.rows(shared("imu_basicmotions"), ["dtw", "majority", "rocket"], 1, None, silent)
    right = {row.model: row.metrics["correct"] for row in rows}
    assert right["rocket"] >= right["dtw"] > right["majority"] == 10
    assert champion["BasicMotions"].model == "rocket"
