"""The protocol of forecasts: windows, what is known before them, champions, and the published seasonal naive."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from loopwright.core.errors import InputError
from loopwright.learn.forecasting.series import Series, SeriesSet
from loopwright.learn.proof import forecast as proof
from loopwright.learn.rows import document
from loopwright.learn.sets import grid_ett

DATA = Path(__file__).parents[3] / "shared" / "data"


def made_up(lengths: tuple[int, ...], step_s: float = 3600.0) -> SeriesSet:
    return SeriesSet("made up", [Series(str(n), np.arange(n, dtype=float), 0.0, step_s) for n in lengths])


def a_table(path: Path, hours: int) -> Path:
    rng = np.random.default_rng(0)
    lines = ["date,HUFL,HULL,MUFL,MULL,LUFL,LULL,OT"]
    for hour in range(hours):
        stamp = np.datetime64("2020-01-01T00:00:00") + np.timedelta64(hour, "h")
        value = 10 + 3 * np.sin(2 * np.pi * hour / 24)
        lines.append(f"{str(stamp).replace('T', ' ')}," + ",".join(f"{v:.4f}" for v in value + rng.normal(0, 0.3, 7)))
    (path / "ETTx.csv").write_text("\n".join(lines))
    return path


@pytest.mark.parametrize(("length", "horizon", "expected"), [
    (17420, 48, 20), (17420, 480, 4), (17420, 720, 3), (500, 48, 2), (100, 48, 1), (66504, 480, 14),
])
def test_windows_are_counted_as_gift_eval_does(length: int, horizon: int, expected: int) -> None:
    assert proof.count(length, horizon) == expected


@pytest.mark.parametrize(("step_s", "horizon", "season"), [
    (3600.0, 48, 24), (1800.0, 48, 48), (900.0, 48, 96), (300.0, 48, 288), (10.0, 60, 360), (86400.0, 30, 1), (7 * 86400.0, 8, 1),
])
def test_horizon_and_season_follow_the_step(step_s: float, horizon: int, season: int) -> None:
    """gluonts.time_feature.get_seasonality of h, 30min, 15min, 5min, 10s, D, W; GIFT-Eval's prediction lengths."""
    assert proof.base_horizon(step_s) == horizon
    assert proof.error_season(step_s) == season


def test_windows_follow_one_another_to_the_end_and_know_all_before_them() -> None:
    one = made_up((500, 620))
    found = proof.windows(one, 48)
    assert len(found) == 2
    for k, start in enumerate((404, 452)):
        np.testing.assert_array_equal(found.truth[k][0], np.arange(start, start + 48))
        np.testing.assert_array_equal(found.truth[k][1], np.arange(start + 120, start + 168))
        assert found.past[k].shape == (2, start + 120)
        assert np.isnan(found.past[k][0, :120]).all()
        np.testing.assert_array_equal(found.past[k][0, 120:], np.arange(start))
        np.testing.assert_array_equal(found.past[k][1], np.arange(start + 120))


def test_the_champion_is_chosen_before_the_first_tested_point() -> None:
    one = made_up((1000,))
    number = proof.count(1000, 48)
    tested = proof.windows(one, 48)
    earlier = proof.windows(one, 48, back=number, most=2)
    assert len(earlier) == 2
    assert max(truth.max() for truth in earlier.truth) < min(truth.min() for truth in tested.truth)


def test_series_too_short_for_any_horizon_are_told() -> None:
    with pytest.raises(InputError, match="60 points"):
        proof.horizons(made_up((60,)))
    assert list(proof.horizons(made_up((200,)))) == ["short"]
    assert list(proof.horizons(made_up((17420,)))) == ["short", "medium", "long"]


def test_a_set_is_scored_with_the_mean_and_the_naive_beside_it_and_written_down(tmp_path: Path) -> None:
    path = a_table(tmp_path, 700)
    out = tmp_path / "out"
    out.mkdir()
    said: list[str] = []
    models = ["mean", "naive", "seasonal_naive", "seasonal_ridge"]
    rows, champion = proof.rows(path, models, 3, out, said.append)
    told = document(rows, champion)
    assert {row["model"] for row in told["rows"]} == set(models)
    by_model = {row["model"]: row for row in told["rows"]}
    assert by_model["seasonal_naive"]["metrics"]["mase_to_naive"] == 1.0
    assert by_model["seasonal_ridge"]["metrics"]["mase"] < by_model["seasonal_naive"]["metrics"]["mase"]
    assert by_model["mean"]["metrics"]["crps"] > by_model["seasonal_naive"]["metrics"]["crps"]
    assert by_model["seasonal_ridge"]["split"] == "time"
    assert champion["grid_ett/ETTx/short"].model == "seasonal_ridge"
    assert "before the tested" in champion["grid_ett/ETTx/short"].chosen_on
    lines = list(csv.reader((out / "ETTx_short.csv").read_text().splitlines()))
    assert len(lines) == 1 + 2 * 7 * 48
    assert float(lines[1][4]) < float(lines[1][8]) < float(lines[1][12])


@pytest.mark.slow
def test_a_peer_is_never_champion_however_good_it_is(tmp_path: Path) -> None:
    """Beside the mean alone the peer is far better, and still not chosen."""
    pytest.importorskip("flaircast", reason="flaircast is not installed")
    rows, champion = proof.rows(a_table(tmp_path, 500), ["mean", "peer:flaircast"], 2, None, lambda _: None)
    crps = {row.model: row.metrics["crps"] for row in rows}
    assert (crps["peer:flaircast"] or 0.0) < (crps["mean"] or 0.0)
    assert {best.model for best in champion.values()} <= {"mean", "seasonal_naive"}


def test_seasonal_naive_on_etth1_is_the_published_one_but_for_the_sum_of_quarter_hours() -> None:
    """Published mean absolute errors are 3.7 to 3.9 times ours: GIFT-Eval's hours are sums of four quarter-hours.

    The file has the reading at the full hour, with more noise. MASE 1.001 and CRPS 0.254 (short) are what the staged
    research measured for this file with another program; published for the sums: 0.977 and 0.240.
    """
    folder = DATA / "grid_ett"
    if not folder.is_dir():
        pytest.skip("the staged set grid_ett is not here")
    with (folder / "gift_eval_published_scores.csv").open() as text:
        lines = {row["dataset"]: row for row in csv.DictReader(text) if row["model"] == "seasonal_naive"}
    one, = grid_ett.read(folder)
    for term, (mase, crps) in {"short": (1.001, 0.254), "medium": (None, None), "long": (None, None)}.items():
        horizon = proof.horizons(one)[term]
        asked = proof.windows(one, horizon)
        told = proof._forecast("seasonal_naive", one, horizon, asked, 0)
        found = proof._measures(one, asked, told)
        error = np.abs(np.concatenate(asked.truth) - told[:, :, 4]).mean()
        assert 3.7 < float(lines[f"ett1/H/{term}"]["mae"]) / error < 3.9
        assert found["mase"] == pytest.approx(float(lines[f"ett1/H/{term}"]["mase"]), rel=0.03)
        if mase is not None:
            assert found["mase"] == pytest.approx(mase, abs=0.0005)
            assert found["crps"] == pytest.approx(crps, abs=0.0005)
