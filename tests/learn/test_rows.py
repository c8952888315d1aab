"""Rows of an evaluation say where they are from, and what deceives is refused."""

from __future__ import annotations

import json
import statistics

import numpy as np
import pytest

from loopwright.core.errors import InputError
from loopwright.learn import rows as r
from loopwright.learn.rows import Champion, Cost, Row, check, document, measured, over_seeds
from loopwright.learn.traps import TRAPS, LeakError, refuse

COST = Cost(fit_s=1.23456789, us_per_point=0.5, peak_mb=3.0)


def row(model: str = "mean_life", metrics: dict[str, float | None] | None = None, **more: object) -> Row:
    given = {"set": "cmapss/FD001", "task": "life", "horizon": "", "baseline": "mean_life", "split": "unit", "seeds": 1,
             "cost": COST, **more}
    return Row(model=model, metrics=metrics or {"mae": 1.0}, **given)


def test_the_json_of_a_row_has_the_promised_keys_and_no_number_that_json_does_not_know() -> None:
    told = row(metrics={"rmse_raw": float("nan"), "rmse_capped": float("inf"), "mae": np.float32(1 / 3), "n": 7}).plain()
    assert list(told)[:9] == ["set", "task", "horizon", "model", "baseline", "split", "seeds", "metrics", "cost"]
    assert told["metrics"] == {"rmse_raw": None, "rmse_capped": None, "mae": 0.333333, "n": 7}
    assert told["cost"] == {"fit_s": 1.23457, "us_per_point": 0.5, "peak_mb": 3.0, "fit_wall_s": None}
    json.dumps(told, allow_nan=False)


def test_capped_labels_alone_are_refused_and_both_together_pass() -> None:
    row(metrics={"rmse_raw": 12.8, "rmse_capped": 11.5})
    with pytest.raises(LeakError, match="rmse_capped alone: capping the truth"):
        row(metrics={"rmse_capped": 11.5})


@pytest.mark.parametrize("name", ["f1_point_adjusted", "pa_f1", "F1_PA", "point-adjusted-recall"])
def test_point_adjustment_is_refused_in_any_task(name: str) -> None:
    for task in r.TASKS:
        with pytest.raises(LeakError, match="one of its points is flagged"):
            row(metrics={name: 0.9}, task=task)


def test_rates_at_a_threshold_say_where_the_threshold_is_from_and_never_from_the_test() -> None:
    metrics: dict[str, float | None] = {"vus_pr": 0.4, "false_alarm_rate": 0.01, "delay_s": 3.0}
    with pytest.raises(LeakError, match="threshold of which nothing is said"):
        row(metrics=metrics, task="anomaly")
    with pytest.raises(LeakError, match="the best threshold is known only afterwards"):
        row(metrics=metrics, task="anomaly", threshold="best F1 on the test part")
    with pytest.raises(LeakError, match="best_f1"):
        row(metrics={"best_f1": 0.9}, task="anomaly", threshold="training, 1 % false alarms")
    row(metrics=metrics, task="anomaly", threshold="training part, 1 % false alarms")
    row(metrics={"macro_f1": 0.9, "recall": 0.8}, task="class")  # of the likeliest class: no threshold


def test_a_split_by_row_no_metric_no_seed_and_an_unknown_task_are_refused() -> None:
    with pytest.raises(LeakError, match="split by row"):
        row(split="row")
    with pytest.raises(InputError, match="no split is named"):
        row(split="")
    with pytest.raises(InputError, match="0 seeds"):
        row(seeds=0)
    with pytest.raises(InputError, match="task 'lif'"):
        row(task="lif")
    with pytest.raises(InputError, match="no metric"):
        Row("s", "life", "", "m", "m", "unit", 1, {}, COST)


def test_a_table_without_its_baseline_is_refused() -> None:
    check([row(), row("boosting")], {})
    with pytest.raises(LeakError, match="cmapss/FD001: boosting without a row of its baseline 'mean_life'"):
        check([row("boosting")], {})
    with pytest.raises(LeakError, match="cmapss/FD002"):
        check([row(), row("boosting", set="cmapss/FD002")], {})
    with pytest.raises(InputError, match="stands twice"):
        check([row(), row()], {})


def test_a_champion_is_ours_has_a_row_and_was_not_chosen_on_the_test() -> None:
    with pytest.raises(InputError, match="a package of others"):
        Champion("peer:flaircast", "training", {})
    with pytest.raises(LeakError, match="is the luckiest one"):
        Champion("boosting", "test_RMSE", {})
    with pytest.raises(InputError, match="nothing says what it was chosen on"):
        Champion("boosting", "", {})
    best = Champion("boosting", "out-of-fold training engines", {"rmse_raw": 13.0})
    with pytest.raises(InputError, match="a model with a row of its own"):
        document([row()], {"cmapss/FD001": best})
    told = document([row(), row("boosting")], {"cmapss/FD001": best})
    assert told["champion"] == {"cmapss/FD001": {"model": "boosting", "chosen_on": "out-of-fold training engines",
                                                 "metrics": {"rmse_raw": 13.0}}}
    assert "stopped" not in told


def test_what_was_stopped_early_keeps_only_rows_that_have_their_baseline() -> None:
    told = document([row(), row("boosting"), row("boosting", set="cmapss/FD002")], {}, finished=False)
    assert [(one["set"], one["model"]) for one in told["rows"]] == [
        ("cmapss/FD001", "mean_life"), ("cmapss/FD001", "boosting")]
    assert told["stopped"] is True


def test_mean_and_spread_over_seeds_are_those_of_the_statistics_module_and_a_seed_that_failed_is_not_forgotten() -> None:
    values = [12.7, 12.9, 13.4]
    mean, spread = over_seeds([{"rmse_raw": v, "other": None if v == 12.9 else v} for v in values])
    assert mean["rmse_raw"] == pytest.approx(statistics.fmean(values))
    assert spread["rmse_raw"] == pytest.approx(statistics.stdev(values))
    assert (mean["other"], spread["other"]) == (None, None)
    assert over_seeds([{"rmse_raw": 1.0}]) == ({"rmse_raw": 1.0}, {})
    with pytest.raises(InputError, match="no result"):
        over_seeds([])


def test_memory_that_a_fit_takes_and_gives_back_is_in_its_peak() -> None:
    with measured() as spent:
        held = np.ones(12_500_000)  # 100 MB
        del held
    assert 95 <= spent.peak_mb <= 130
    assert spent.cpu_s > 0
    assert spent.wall_s > 0
    with measured() as small:
        sum(range(1000))
    assert small.peak_mb < 20


def test_every_trap_has_a_reason_and_a_way_out() -> None:
    for trap, (why, instead) in TRAPS.items():
        assert why in str(refuse(trap))
        assert instead in str(refuse(trap))
