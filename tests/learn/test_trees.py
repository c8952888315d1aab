"""Trees taken out of scikit-learn say what scikit-learn says, with numpy alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from loopwright.core.errors import InputError
from loopwright.learn.kept import registry, trees

pytest.importorskip("sklearn", reason="scikit-learn is not installed (pip install 'loopwright[learn]')")


def rows(n: int, seed: int, holes: bool = True) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 5))
    x[:, 3] = np.round(x[:, 3])  # many values that stand exactly on a threshold
    if holes:
        x[rng.random(x.shape) < 0.1] = np.nan
    return x


def fitted(name: str, classes: int, **settings: Any) -> tuple[Any, np.ndarray]:
    import sklearn.ensemble
    import sklearn.tree
    from threadpoolctl import threadpool_limits

    x = rows(240, 0)
    known = np.nan_to_num(x)
    y = known[:, 0] * known[:, 1] + known[:, 3]
    if classes:
        y = np.digitize(y, np.quantile(y, np.linspace(0, 1, classes + 1)[1:-1]))
    if settings.get("loss") in ("poisson", "gamma"):
        y = np.exp(0.3 * y)
    module = sklearn.ensemble if hasattr(sklearn.ensemble, name) else sklearn.tree
    with threadpool_limits(1):
        return getattr(module, name)(random_state=0, **settings).fit(x, y), rows(500, 1)


HGB = [("HistGradientBoostingRegressor", 0, {"max_iter": 30, "loss": loss, **extra}) for loss, extra in
       (("squared_error", {}), ("absolute_error", {}), ("poisson", {}), ("gamma", {}), ("quantile", {"quantile": 0.9}))]
CASES = [*HGB, ("HistGradientBoostingClassifier", 2, {"max_iter": 20}), ("HistGradientBoostingClassifier", 4, {"max_iter": 10}),
         ("RandomForestRegressor", 0, {"n_estimators": 20}), ("RandomForestClassifier", 3, {"n_estimators": 20}),
         ("ExtraTreesClassifier", 2, {"n_estimators": 15}), ("ExtraTreesRegressor", 0, {"n_estimators": 15}),
         ("DecisionTreeRegressor", 0, {}), ("DecisionTreeClassifier", 3, {"max_depth": 4})]


@pytest.mark.parametrize(("name", "classes", "settings"), CASES, ids=[f"{c[0]}-{c[2].get('loss', c[1])}" for c in CASES])
def test_exported_trees_say_what_scikit_learn_says(name: str, classes: int, settings: dict[str, Any]) -> None:
    model, x = fitted(name, classes, **settings)
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        expected = model.predict_proba(x) if classes else model.predict(x)
    kept = registry.decode(registry.encode(trees.export(model)))
    np.testing.assert_allclose(trees.predict(kept, x), expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("name", "classes"), [("HistGradientBoostingRegressor", 0), ("HistGradientBoostingClassifier", 4), ("RandomForestClassifier", 3)])
def test_compiled_code_gives_the_same_bits(monkeypatch: pytest.MonkeyPatch, name: str, classes: int) -> None:
    pytest.importorskip("numba", reason="numba is not installed (pip install 'loopwright[learn]')")
    model, x = fitted(name, classes)
    plain = trees.export(model)
    x[0] = np.nan
    answers = []
    for compiled in (False, True):
        monkeypatch.setattr(trees, "_compiled", lambda steps, compiled=compiled: compiled)
        answers.append(trees.predict(plain, x))
    np.testing.assert_array_equal(*answers)


def test_rows_in_small_parts_say_the_same_as_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = fitted("HistGradientBoostingRegressor", 0, max_iter=20)
    plain = trees.export(model)
    whole = trees.predict(plain, x)
    monkeypatch.setattr(trees, "_AT_ONCE", 60)
    np.testing.assert_array_equal(trees.predict(plain, x), whole)
    assert trees.predict(plain, x[:0]).shape == (0,)


def test_a_tree_that_never_splits_says_its_mean() -> None:
    from sklearn.tree import DecisionTreeRegressor

    model = DecisionTreeRegressor().fit(np.zeros((4, 1)), [1.0, 2.0, 3.0, 6.0])
    np.testing.assert_allclose(trees.predict(trees.export(model), np.array([[5.0], [np.nan]])), 3.0)


def test_rows_of_another_width_and_other_estimators_are_refused_in_words() -> None:
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.linear_model import Ridge

    model, x = fitted("DecisionTreeRegressor", 0)
    with pytest.raises(InputError, match=r"allowed: \(n, 5\)"):
        trees.predict(trees.export(model), x[:, :4])
    with pytest.raises(InputError, match="a Ridge cannot be taken"):
        trees.export(Ridge())
    with pytest.raises(InputError, match="not fitted"):
        trees.export(HistGradientBoostingRegressor())
    sorts = HistGradientBoostingRegressor(max_iter=3, categorical_features=[0]).fit(np.arange(60.0).reshape(-1, 1) % 3, np.arange(60) % 3)
    with pytest.raises(InputError, match="by category"):
        trees.export(sorts)
