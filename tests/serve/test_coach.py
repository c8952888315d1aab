"""The coach: one thing or silence. Effects are put into made-up attempts; on noise it must stay silent."""

import math
from dataclasses import replace

import numpy as np
import pytest

from loopwright.core.errors import InputError
from loopwright.core.types import Event
from loopwright.serve import coach
from loopwright.serve.coach import Feature, History, Settings, decide, fold, t_quantile, weigh

SECOND_NS = 10**9


def history(n, k=20, seed=0, effect=0.0, controls=None, values=None, noise="normal"):
    """n attempts with k features; cost falls by `effect` for each standard deviation of feature 3."""
    rng = np.random.default_rng([seed, n if values is None else 0])
    x = rng.normal(size=(n, k)) if values is None else values[:n]
    wild = {"normal": rng.normal(size=n), "heavy": rng.standard_t(2.5, size=n)}[noise]
    cost = np.abs(2.0 + wild) - effect * x[:, 3] + 3.0
    features = tuple(Feature(f"f.{j}", f"feature {j}", "1") for j in range(k))
    return History("anna", cost, "m", "closer", features, x, np.empty((n, 0)) if controls is None else controls,
                   np.arange(n) * SECOND_NS, ("club-1",), "carry.deviation")


def said(h, state=None, settings=None):
    events, decisions, after = decide(h, None, state or {}, 5, settings or Settings())
    assert events == []
    return decisions, after


def test_it_names_the_one_feature_with_its_effect_interval_and_evidence():
    decisions, _ = said(history(120, effect=0.8))
    one = decisions[0]
    assert len(decisions) == 1
    assert one.body["feature"] == "f.3"
    assert one.body["change"] == "more"
    assert one.low < 0.8 < one.high
    assert one.low <= one.value <= one.high
    assert "seen, not tried out" in one.says
    assert one.body["kind"].startswith("observational")
    assert "20 things looked at" in one.says
    assert {(e.thing if hasattr(e, "thing") else e.ref, e.signal) for e in one.because} == {
        ("club-1", "carry.deviation"), ("club-1", "f.3")}
    assert (one.because[0].start_ns, one.because[0].end_ns) == (0, 119 * SECOND_NS)
    assert one.approval is False
    assert one.abstains == ""


def test_less_is_said_where_less_helps():
    assert said(history(120, effect=-0.8))[0][0].body["change"] == "less"


def test_without_consent_it_says_only_that():
    decisions, state = said(replace(history(120, effect=2.0), withheld="no consent to coaching is given"))
    assert decisions[0].abstains == "no consent to coaching is given"
    assert (decisions[0].says, decisions[0].because, state) == ("", (), {})


def test_with_too_few_attempts_it_says_how_many_are_needed():
    decisions, _ = said(history(12, effect=2.0))
    assert decisions[0].abstains == "12 shots are known and 30 are needed"


def test_it_speaks_after_every_few_attempts_and_not_after_each():
    whole = np.random.default_rng(1).normal(size=(80, 20))
    state, spoke = {}, []
    for n in range(20, 81):
        h = history(n, seed=1, effect=0.8, values=whole)
        decisions, state = said(h, state)
        spoke += [n] * len(decisions)
    assert len(spoke) < 15
    assert min(np.diff(spoke)) >= 5


def test_the_state_is_folded_from_what_was_said():
    decisions, state = said(history(60))
    one = decisions[0]
    body = {"decision": {"service": one.service, "about": one.about, "body": dict(one.body)}}
    assert fold([Event("decision.made", one.id, 1, "coach", body)]) == state
    assert fold([Event("decision.made", "x", 1, "oee", {"decision": {"service": "oee", "about": "m", "body": {}}})]) == {}


def test_a_feature_that_only_stands_for_the_club_is_not_blamed():
    rng = np.random.default_rng(4)
    driver = (rng.random(160) < 0.5).astype(float)
    h = history(160, seed=4)
    values = h.values.copy()
    values[:, 7] = driver + 0.3 * rng.normal(size=160)  # a longer swing with the longer club
    cost = h.cost + 3.0 * driver
    blamed, _ = said(replace(h, values=values, cost=cost))
    fair, _ = said(replace(h, values=values, cost=cost, controls=driver[:, None]))
    assert blamed[0].body.get("feature") == "f.7"
    assert fair[0].abstains


def test_a_slow_trend_of_both_is_not_taken_for_an_effect():
    h = history(160, seed=5)
    values, cost = h.values.copy(), h.cost.copy()
    values[:, 2] += np.linspace(0, 6, 160)
    cost += np.linspace(4, 0, 160)  # learning, with and without it
    assert said(replace(h, values=values, cost=cost))[0][0].abstains


def test_one_wild_attempt_does_not_make_an_effect():
    h = history(80, seed=6)
    values, cost = h.values.copy(), h.cost.copy()
    values[10, 5], cost[10] = 1e6, 500.0
    assert said(replace(h, values=values, cost=cost))[0][0].abstains


def test_features_that_are_rarely_known_or_never_vary_are_left_out():
    h = history(100, k=6, effect=0.8)
    values = h.values.copy()
    values[:, 0], values[5:, 1] = 7.0, np.nan
    values[::3, 2] = np.nan
    names = {e.feature.signal for e in weigh(replace(h, values=values), 0.05, Settings())}
    assert names == {"f.2", "f.3", "f.4", "f.5"}
    nothing = replace(h, features=h.features[:1], values=values[:, :1])
    assert "varies enough" in said(nothing)[0][0].abstains


def test_the_effect_is_drawn_towards_nothing_by_its_uncertainty():
    effects = weigh(history(60, seed=8, effect=0.6), 0.05, Settings())
    assert all(0 <= e.shrunk <= e.help + 1e-12 for e in effects)
    assert effects == sorted(effects, key=lambda e: -e.shrunk)


@pytest.mark.parametrize(("p", "df", "value"), [(0.975, 30, 2.042), (0.995, 60, 2.660), (0.9995, 20, 3.850), (0.99, 15, 2.602)])
def test_quantiles_of_students_t_are_those_of_the_printed_tables(p, df, value):
    assert t_quantile(p, df) == pytest.approx(value, rel=2e-3)


def test_a_stronger_effect_is_found_more_often():
    found = [sum(bool(said(history(60, seed=s, effect=e))[0][0].says) for s in range(30)) for e in (0.0, 0.6, 1.5)]
    assert found[0] <= 2 < found[1] < found[2]


@pytest.mark.parametrize("noise", ["normal", "heavy"])
def test_on_noise_one_look_advises_in_at_most_five_of_a_hundred(noise):
    settings = Settings()
    false = sum(bool(said(history(60, seed=100 + s, noise=noise), settings=settings)[0][0].says) for s in range(200))
    assert false <= 10  # five in a hundred; the first look may spend half of it


@pytest.mark.slow
def test_on_noise_a_whole_history_of_looks_advises_in_at_most_five_of_a_hundred():
    """Attempts come five at a time, 30 to 150, and the coach looks as often as it likes."""
    rng, false, runs = np.random.default_rng(9), 0, 200
    features = tuple(Feature(f"f.{j}", f"feature {j}", "1") for j in range(12))
    for _ in range(runs):
        values, cost = rng.normal(size=(150, 12)) @ (np.eye(12) + 0.3), np.abs(rng.standard_t(4, size=150))
        state = {}
        for n in range(30, 151, 5):
            h = History("a", cost[:n], "m", "closer", features, values[:n], np.empty((n, 0)), np.arange(n), ("c",), "y")
            decisions, state = said(h, state)
            if any(d.says for d in decisions):
                false += 1
                break
    print(f"advice on pure noise in {false} of {runs} whole histories")
    assert false <= 0.05 * runs


def test_settings_that_make_no_sense_are_refused():
    for bad in ({"fewest": 3}, {"alpha": 0.9}, {"every": 0}):
        with pytest.raises(InputError, match="coach settings"):
            Settings(**bad)
    assert coach.NAME == "coach"
    assert math.isfinite(t_quantile(0.9999, 20))
