"""Cases: what they refuse, how gaps and lengths are treated, and cases of a plant's own runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.clock import SimClock
from loopwright.core.errors import InputError
from loopwright.core.types import Windows
from loopwright.learn.classing.cases import Cases, ClassSet, clean, from_windows, resampled, windowed
from loopwright.learn.models.classes import spectra
from loopwright.learn.splits import leave_one_group_out
from loopwright.learn.traps import LeakError
from loopwright.store import open_store
from tests.store.plant import S, declared, numbered, points


def test_cases_of_unlike_channels_or_no_sample_are_refused() -> None:
    with pytest.raises(InputError, match="one each"):
        Cases(("a",), (), ("x",))
    with pytest.raises(InputError, match="case b"):
        Cases(("a", "b"), (np.ones((1, 3)), np.ones((2, 3))), ("x",))
    with pytest.raises(InputError, match="at least one sample"):
        Cases(("a",), (np.ones((1, 0)),), ("x",))
    with pytest.raises(InputError, match="1 to 10,000"):
        Cases((), (), ())
    with pytest.raises(InputError, match="labels"):
        ClassSet("s", Cases(("a",), (np.ones((1, 3)),), ("x",)), (), ("a",), "case")


def test_a_gap_is_bridged_by_a_straight_line_and_a_silent_channel_is_zero() -> None:
    one = np.array([[np.nan, 1.0, np.nan, 3.0, np.inf], [np.nan] * 5, [1e300, 2.0, 2.0, 2.0, 2.0]])
    np.testing.assert_array_equal(clean(one), [[1, 1, 2, 3, 3], [0] * 5, [2] * 5])
    whole = np.ones((2, 3))
    assert clean(whole) is whole


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 2**31))
def test_a_shorter_series_is_the_means_of_stretches_and_keeps_the_mean(t: int, length: int, seed: int) -> None:
    one = np.random.default_rng(seed).standard_normal((2, t))
    found = resampled(one, length)
    assert found.shape == (2, length)
    if length <= t:
        np.testing.assert_allclose(found.mean(axis=1), one.mean(axis=1), atol=1e-12)
    else:
        np.testing.assert_allclose(found[:, [0, -1]], one[:, [0, -1]], atol=1e-12)


def test_stretches_that_cut_a_sample_take_their_share_of_it() -> None:
    """Three samples in two stretches of one and a half: (1 + 2 / 2) / 1.5 and (2 / 2 + 3) / 1.5."""
    np.testing.assert_allclose(resampled(np.array([[1.0, 2.0, 3.0]]), 2), [[2.0 / 1.5, 4.0 / 1.5]])


def test_windows_stand_side_by_side_and_the_rest_is_left_out() -> None:
    found = windowed(np.arange(7.0)[None], 3)
    assert [one[0].tolist() for one in found] == [[0, 1, 2], [3, 4, 5]]
    assert windowed(np.ones((1, 2)), 3) == []


def made_up(things: list[str], signals: list[str], **times: int) -> Windows:
    t_ns = np.arange(times["start_ns"], times["end_ns"], times["step_ns"])
    values = np.stack([t_ns * (c + 1.0) for c in range(len(signals))], axis=1)[None]
    mask = np.ones(values.shape, bool)
    mask[0, 0, 0] = False
    return Windows((things[0],), values, mask, t_ns, tuple(signals), ("1",) * len(signals))


def test_cases_of_a_plants_runs_are_read_run_by_run_with_gaps_open() -> None:
    runs = [{"run": "m/run-1", "thing": "m", "start_ns": 0, "end_ns": 30},
            {"run": "m/run-2", "thing": "m", "start_ns": 100, "end_ns": 150}]
    cases = from_windows(made_up, runs, ["s.torque", "s.power"], 10)
    assert cases.ids == ("m/run-1", "m/run-2")
    assert [one.shape for one in cases.values] == [(2, 4), (2, 6)]
    assert np.isnan(cases.values[0][0, 0])
    assert cases.values[0][1].tolist() == [0, 20, 40, 60]
    assert cases.rate_hz == 1e8


def test_signals_that_tell_the_answer_and_runs_that_end_before_they_begin_are_refused() -> None:
    run = {"run": "r", "thing": "m", "start_ns": 5, "end_ns": 1}
    with pytest.raises(LeakError, match="names its tool"):
        from_windows(made_up, [run], ["run.number"], 10)
    with pytest.raises(InputError, match="before it begins"):
        from_windows(made_up, [run], ["s.torque"], 10)
    with pytest.raises(InputError, match="at least one"):
        from_windows(made_up, [], ["s.torque"], 10)


def test_a_run_classifier_learns_from_a_plants_own_store(tmp_path: Path) -> None:
    """Twelve runs of a mill, every second one rougher, kept in a store, read back, and told apart with a run left out."""
    runs, labels, rows = [], [], []
    rng = np.random.default_rng(0)
    for i in range(12):
        start_ns = i * 100 * S
        rough = i % 2
        speeds_ = 300.0 + (1.0 + 2.0 * rough) * rng.standard_normal(60)
        rows += [("mill-1", "spindle.speed", start_ns + k * S, float(v)) for k, v in enumerate(speeds_)]
        runs.append({"run": f"mill-1/run-{i}", "thing": "mill-1", "start_ns": start_ns, "end_ns": start_ns + 59 * S})
        labels.append("worn" if rough else "unworn")
    with open_store(tmp_path / "plant", SimClock(10_000 * S)) as store:
        declared(store).put(numbered(points(*rows), 0))
        cases = from_windows(store.windows, runs, ["spindle.speed"], S)
    assert {one.shape for one in cases.values} == {(1, 60)}
    right = 0
    for train, test in leave_one_group_out(cases.ids):
        state = spectra.fit(cases.take(train), [labels[i] for i in train], [cases.ids[i] for i in train])
        right += state["classes"][int(spectra.predict(state, cases.take(test)).argmax())] == labels[int(test[0])]
    assert right >= 11
