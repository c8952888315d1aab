"""Every detector of learn/models/anomaly, found by its file: the contract that evaluation and watching rely on."""

from __future__ import annotations

import inspect
import warnings
from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core import plug
from loopwright.core.errors import InputError, MissingExtra


@pytest.fixture(params=sorted(plug.find("learn.models.anomaly")))
def model(request: pytest.FixtureRequest) -> ModuleType:
    return loaded(request.param)


def loaded(name: str) -> ModuleType:
    module = plug.load("learn.models.anomaly", name)
    try:
        module.fit(waves(60, 1), 0)
    except MissingExtra as missing:
        pytest.skip(str(missing))
    return module


def waves(rows: int, channels: int, seed: int = 0) -> np.ndarray:
    """(rows, channels) of waves with noise, a few values missing."""
    random = np.random.default_rng(seed)
    t = np.arange(rows)[:, None]
    values = np.sin(2 * np.pi * t / 25 + np.arange(channels)) + 0.1 * random.normal(size=(rows, channels))
    values[random.random(values.shape) < 0.02] = np.nan
    return values


def same(a: Any, b: Any) -> None:
    """The same numbers all the way down, in states of dataclasses, tuples and dicts."""
    if hasattr(a, "__dataclass_fields__"):
        for name in a.__dataclass_fields__:
            same(getattr(a, name), getattr(b, name))
    elif isinstance(a, (tuple, list)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    elif isinstance(a, dict):
        assert a.keys() == b.keys()
        for name in a:
            same(a[name], b[name])
    else:
        np.testing.assert_array_equal(a, b)


def test_its_file_is_its_name_and_it_says_in_a_sentence_what_it_is(model: ModuleType) -> None:
    assert model.__name__.rsplit(".", 1)[1] == model.NAME
    assert model.MEANING.endswith(".")
    assert isinstance(model.BASELINE, bool)
    assert list(inspect.signature(model.fit).parameters) == ["values", "seed"]
    assert list(inspect.signature(model.score).parameters) == ["state", "values"]
    assert list(inspect.signature(model.channels).parameters) == ["state", "values"]


@pytest.mark.parametrize("name", sorted(plug.find("learn.models.anomaly")))
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000), channels=st.integers(1, 3), cuts=st.lists(st.integers(0, 300), max_size=8))
def test_chunks_of_any_size_score_digit_for_digit_as_one_batch(
    name: str, seed: int, channels: int, cuts: list[int]
) -> None:
    model = loaded(name)
    state = model.fit(waves(150, channels, seed), seed)
    values = waves(300, channels, seed + 1)
    whole, after = model.score(state, values)
    pieces, now = [], state
    edges = sorted({0, 300, *cuts, *(range(0, 300, 1) if seed % 5 == 0 else ())})
    for begin, end in pairwise(edges):
        told, now = model.score(now, values[begin:end])
        pieces.append(told)
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    same(now, after)


def test_scoring_leaves_state_and_rows_as_they_were(model: ModuleType) -> None:
    values = waves(200, 2)
    state, before = model.fit(values, 0), values.copy()
    first, _ = model.score(state, values)
    second, _ = model.score(state, values)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(values, before)


def test_scores_of_training_parts_and_lag_have_their_shapes(model: ModuleType) -> None:
    state = model.fit(waves(120, 3), 0)
    parts, _ = model.channels(state, waves(50, 3, 1))
    assert state["fit_scores"].shape == (120,)
    assert parts.shape == (50, 3)
    assert np.isfinite(parts).all()
    assert (parts >= 0).all()
    assert 0 <= state["lag"] < 120


STRANGE = {
    "constant": np.full((80, 2), 7.0),
    "missing": np.full((80, 2), np.nan),
    "infinite": np.where(np.arange(160).reshape(80, 2) % 7 == 0, np.inf, waves(80, 2)),
    "one channel missing": np.column_stack((waves(80, 1)[:, 0], np.full(80, np.nan))),
    "huge": waves(80, 2) * 1e150,
    "as huge as can be": np.where(np.arange(160).reshape(80, 2) % 2, 1.7e308, -1.7e308),
    "tiny": waves(80, 2) * 1e-200,
    "two values": (np.arange(160).reshape(80, 2) % 2).astype(float),
    "far level": 1e9 + waves(80, 2),
}


@pytest.mark.parametrize("strange", sorted(STRANGE))
def test_strange_rows_score_numbers_in_training_and_after_it(model: ModuleType, strange: str) -> None:
    for learned, asked in ((STRANGE[strange], waves(60, 2)), (waves(60, 2), STRANGE[strange])):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            state = model.fit(learned, 0)
            scores, state = model.score(state, asked)
            again, _ = model.score(state, asked)
        assert np.isfinite(state["fit_scores"]).all()
        assert np.isfinite(scores).all()
        assert np.isfinite(again).all()


def test_one_row_scores_a_number_or_says_how_many_are_needed(model: ModuleType) -> None:
    if model.NAME in ("sub_pca", "left_discord", "fused"):
        with pytest.raises(InputError, match="at least 8 rows"):
            model.fit(waves(1, 2), 0)
        return
    scores, _ = model.score(model.fit(waves(1, 2), 0), waves(1, 2))
    assert np.isfinite(scores).all()


def test_nothing_to_learn_from_is_said(model: ModuleType) -> None:
    with pytest.raises(InputError, match="at least one of each"):
        model.fit(np.zeros((0, 2)), 0)
    with pytest.raises(InputError, match="rows of channels"):
        model.fit(np.zeros((3, 2, 2)), 0)


def test_rows_of_other_channels_than_it_learned_from_are_refused_in_words(model: ModuleType) -> None:
    if model.BASELINE:
        pytest.skip("a baseline looks at no signal")
    state = model.fit(waves(100, 3), 0)
    for many in (2, 4, 50):
        with pytest.raises(InputError, match=f"{many} channels"):
            model.score(state, waves(50, many))


def test_a_plain_list_of_one_channel_is_a_column(model: ModuleType) -> None:
    column = np.nan_to_num(waves(100, 1))
    flat, _ = model.score(model.fit(column[:, 0], 0), column[:, 0])
    tall, _ = model.score(model.fit(column, 0), column)
    np.testing.assert_array_equal(flat, tall)


@pytest.mark.parametrize("kind", ["level", "shape"])
def test_it_finds_a_plain_anomaly_unless_it_is_a_baseline(model: ModuleType, kind: str) -> None:
    if model.BASELINE:
        pytest.skip("a baseline looks at no signal")
    if kind == "shape" and model.NAME in ("robust_z", "pca", "averaged_pca"):
        pytest.skip("looks at one row or one average at a time")
    values = np.nan_to_num(waves(1200, 2))
    values[900:960] = values[900:960] + 4.0 if kind == "level" else 0.0
    state = model.fit(values[:600], 0)
    scores, _ = model.score(state, values[600:])
    assert 280 <= scores[state["lag"] :].argmax() <= 380


def test_more_channels_than_rows_are_scored(model: ModuleType) -> None:
    random = np.random.default_rng(0)
    state = model.fit(random.normal(size=(16, 400)), 0)
    scores, _ = model.score(state, random.normal(size=(5, 400)))
    assert np.isfinite(scores).all()


@pytest.mark.slow
def test_ten_thousand_channels_are_scored_or_refused_in_words(model: ModuleType) -> None:
    values = np.random.default_rng(0).normal(size=(24, 10_000))
    if model.NAME in ("fused", "left_discord"):
        with pytest.raises(InputError, match="at most 512"):
            model.fit(values, 0)
        return
    scores, _ = model.score(model.fit(values, 0), values[:3])
    assert np.isfinite(scores).all()
