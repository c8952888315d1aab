"""Every model of learn/models/wear, found by its file: the contract that evaluation and training rely on."""

from __future__ import annotations

import inspect
from types import ModuleType

import numpy as np
import pytest

from loopwright.core import plug
from loopwright.core.errors import InputError
from loopwright.learn.kept import registry
from loopwright.learn.wear.runs import Features
from tests.every.found import installed
from tests.learn.run_rows import made_up


@pytest.fixture(params=sorted(plug.find("learn.models.wear")))
def model(request: pytest.FixtureRequest) -> ModuleType:
    return installed("learn.models.wear", request.param)


def test_its_file_is_its_name_and_it_says_in_a_sentence_what_it_is(model: ModuleType) -> None:
    assert model.__name__.rsplit(".", 1)[1] == model.NAME
    assert model.MEANING.endswith(".")
    assert model.__doc__


def test_it_fits_with_features_labels_and_seed_and_predicts_from_its_state(model: ModuleType) -> None:
    assert list(inspect.signature(model.fit).parameters) == ["features", "y", "seed"]
    assert list(inspect.signature(model.predict).parameters) == ["state", "features"]


def test_it_gives_a_probability_for_each_run_and_nothing_for_none(model: ModuleType) -> None:
    features, y = made_up(16)
    state = model.fit(features, y, 0)
    p = model.predict(state, features)
    assert p.shape == (16,)
    assert np.isfinite(p).all()
    assert p.min() >= 0.0
    assert p.max() <= 1.0


def test_the_same_seed_gives_the_same_model(model: ModuleType) -> None:
    features, y = made_up(16)
    first, second = model.fit(features, y, 3), model.fit(features, y, 3)
    assert registry.address(first) == registry.address(second)
    np.testing.assert_array_equal(model.predict(first, features), model.predict(second, features))


def test_the_order_of_the_columns_does_not_matter(model: ModuleType) -> None:
    features, y = made_up(16)
    turned = Features(features.runs, features.names[::-1], features.values[:, ::-1])
    expected = model.predict(model.fit(features, y, 0), features)
    np.testing.assert_allclose(model.predict(model.fit(turned, y, 0), turned), expected, rtol=1e-9)


def test_unknown_and_constant_numbers_do_not_break_it(model: ModuleType) -> None:
    features, y = made_up(16)
    values = features.values.copy()
    values[:, features.names.index("clamp_pa")] = np.nan
    values[:, features.names.index("torque.level")] = 7.0
    values[3, features.names.index("acceleration.step")] = np.nan
    holed = Features(features.runs, features.names, values)
    assert np.isfinite(model.predict(model.fit(holed, y, 0), holed)).all()


def test_the_inputs_are_left_as_they_are(model: ModuleType) -> None:
    features, y = made_up(12)
    before, labels = features.values.copy(), y.copy()
    model.predict(model.fit(features, y, 0), features)
    np.testing.assert_array_equal(features.values, before)
    np.testing.assert_array_equal(y, labels)


def test_one_class_alone_gives_that_class_or_an_error_with_words(model: ModuleType) -> None:
    features, _ = made_up(8)
    if model.NAME == "majority":
        assert (model.predict(model.fit(features, np.ones(8), 0), features) == 1.0).all()
        return
    with pytest.raises(InputError, match="one class"):
        model.fit(features, np.ones(8), 0)


def test_its_state_is_kept_without_a_pickle_and_says_the_same_afterwards(model: ModuleType) -> None:
    features, y = made_up(12)
    state = model.fit(features, y, 0)
    kept = registry.decode(registry.encode(state))
    np.testing.assert_array_equal(model.predict(kept, features), model.predict(state, features))


def test_it_is_no_worse_than_a_guess_where_wear_shows_unless_it_is_a_baseline(model: ModuleType) -> None:
    if getattr(model, "BASELINE", False):
        pytest.skip("a baseline looks at no signal")
    features, y = made_up(40, effect=1.0)
    new, truth = made_up(40, effect=1.0, seed=4)
    p = model.predict(model.fit(features, y, 0), new)
    assert ((p >= 0.5) == (truth > 0.5)).mean() > 0.8
