"""Every model of learn/models/classes, found by its file: the contract that evaluation relies on, and bad input."""

from __future__ import annotations

import inspect
from types import ModuleType

import numpy as np
import pytest

from loopwright.core.errors import InputError
from loopwright.learn.classing.cases import Cases
from loopwright.learn.wear.runs import NAMES, Features
from tests.every.found import installed, names

ROOM = "learn.models.classes"


def waves(n: int = 12, t: int = 60, channels: int = 2, seed: int = 0, classes: int = 2) -> tuple[Cases, list[str]]:
    """Cases whose classes differ in the frequency of a wave, its level and its noise; with made-up measures of runs."""
    rng = np.random.default_rng(seed)
    kinds = np.arange(n) % classes
    at = np.arange(t)
    values = tuple(
        (1.0 + k) * np.sin(at / (3.0 + 4.0 * k) + rng.uniform(0, 6, (channels, 1))) + k
        + 0.1 * (1 + k) * rng.standard_normal((channels, t))
        for k in kinds
    )
    measures = np.exp(0.1 * rng.standard_normal((n, len(NAMES))) + kinds[:, None])
    measures[:, :2] = rng.uniform(1e-3, 2e-3, (n, 2))  # feed and clamp tell nothing
    ids = tuple(f"case{i}" for i in range(n))
    features = Features(ids, NAMES, measures)
    return Cases(ids, values, tuple(f"c{i}" for i in range(channels)), 10.0, features), [f"kind{k}" for k in kinds]


def changed(cases: Cases, values: list[np.ndarray]) -> Cases:
    return Cases(cases.ids, tuple(values), cases.channels, cases.rate_hz, cases.measures)


@pytest.fixture(params=names(ROOM, heavy=("ensemble",)))
def model(request: pytest.FixtureRequest) -> ModuleType:
    return installed(ROOM, request.param)


def answered(model: ModuleType, cases: Cases, labels: list[str], asked: Cases, seed: int = 0) -> np.ndarray:
    """Fits, asks, and checks what every answer must be: probabilities."""
    state = model.fit(cases, labels, [f"run{i // 3}" for i in range(len(labels))], seed)
    p = model.predict(state, asked)
    assert p.shape == (len(asked), len(state["classes"]))
    assert np.isfinite(p).all()
    assert (p >= 0.0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1.0, atol=1e-9)
    return np.asarray(p)


def test_its_file_is_its_name_and_it_says_in_a_sentence_what_it_is(model: ModuleType) -> None:
    assert model.__name__.rsplit(".", 1)[1] == model.NAME
    assert model.MEANING.endswith(".")
    assert isinstance(model.BASELINE, bool)
    assert list(inspect.signature(model.fit).parameters) == ["cases", "labels", "groups", "seed"]
    assert list(inspect.signature(model.predict).parameters) == ["state", "cases"]


def test_it_tells_unlike_waves_apart_unless_it_is_a_baseline(model: ModuleType) -> None:
    cases, labels = waves(20)
    new, truth = waves(20, seed=1)
    p = answered(model, cases, labels, new)
    if model.BASELINE:
        return
    classes = sorted(set(labels))
    assert np.mean([classes[k] == one for k, one in zip(p.argmax(axis=1), truth, strict=True)]) > 0.85


def test_the_same_seed_gives_the_same_answers_and_no_draw_means_any_seed_does(model: ModuleType) -> None:
    cases, labels = waves()
    seeds = (3, 3) if getattr(model, "DRAWS", True) else (3, 4)
    first, second = (answered(model, cases, labels, cases, seed) for seed in seeds)
    np.testing.assert_array_equal(first, second)


def test_gaps_infinities_and_silent_channels_do_not_break_it(model: ModuleType) -> None:
    cases, labels = waves()
    values = [one.copy() for one in cases.values]
    values[0][:, :] = np.nan
    values[1][0, ::2] = np.nan
    values[2][1, 5] = np.inf
    values[3][:, :] = 4.0
    broken = changed(cases, values)
    assert len(answered(model, broken, labels, broken)) == len(broken.ids)
    silent = changed(cases, [np.full(one.shape, 2.0) for one in cases.values])
    assert len(answered(model, silent, labels, silent)) == len(silent.ids)


def test_series_of_different_lengths_and_a_single_sample_are_answered(model: ModuleType) -> None:
    cases, labels = waves()
    values = [one[:, : 5 + 2 * i] for i, one in enumerate(cases.values)]
    values[4] = values[4][:, :1]
    uneven = changed(cases, values)
    assert len(answered(model, uneven, labels, uneven)) == len(uneven.ids)
    points = changed(cases, [one[:, :1] for one in cases.values])
    assert len(answered(model, points, labels, points)) == len(points.ids)


def test_a_class_of_one_member_is_learned_without_a_crash(model: ModuleType) -> None:
    cases, labels = waves(classes=2)
    labels = ["rare", *labels[1:-1], labels[-1]]
    if model.NAME == "run_measures":
        labels = ["rare", *["usual"] * (len(labels) - 1)]
    assert len(answered(model, cases, labels, cases)) == len(cases.ids)


def test_one_class_alone_is_always_answered_and_no_case_is_refused(model: ModuleType) -> None:
    cases, labels = waves(n=6)
    assert (answered(model, cases, ["only"] * 6, cases) == 1.0).all()
    assert model.predict(model.fit(cases, labels, list(cases.ids)), cases.take([])).shape == (0, 2)


def test_one_group_alone_is_no_crash(model: ModuleType) -> None:
    cases, labels = waves(n=8)
    state = model.fit(cases, labels, ["same"] * 8, 0)
    assert np.isfinite(model.predict(state, cases)).all()


def test_numbers_without_measure_are_refused_or_answered_and_never_nan(model: ModuleType) -> None:
    cases, labels = waves()
    values = [one.copy() for one in cases.values]
    values[0][0, 3], values[1][1, 7] = 1e200, -1e300
    huge = changed(cases, values)
    assert len(answered(model, huge, labels, huge)) == len(huge.ids)


def test_its_input_is_left_as_it_is(model: ModuleType) -> None:
    cases, labels = waves()
    before = [one.copy() for one in cases.values]
    answered(model, cases, labels, cases)
    for one, kept in zip(cases.values, before, strict=True):
        np.testing.assert_array_equal(one, kept)


def test_many_channels_are_answered(model: ModuleType) -> None:
    cases, labels = waves(n=6, t=12, channels=60)
    assert len(answered(model, cases, labels, cases)) == len(cases.ids)


def test_no_training_case_is_refused_with_words(model: ModuleType) -> None:
    cases, _ = waves(n=6)
    with pytest.raises(InputError):
        model.fit(cases.take([]), [], [], 0)
