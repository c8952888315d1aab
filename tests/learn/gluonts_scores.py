"""MASE, CRPS and ND of the same windows by gluonts, as GIFT-Eval calls it; imported only where gluonts is installed."""

from __future__ import annotations

import numpy as np

from loopwright.learn.metrics.forecast import LEVELS


def by_gluonts(past: list[np.ndarray], truth: np.ndarray, quantiles: np.ndarray, season: int) -> dict[str, float]:
    """The metrics of windows (past W arrays, truth (W, H), quantiles (W, H, 9))."""
    import pandas as pd
    from gluonts.ev.metrics import MASE, ND, SMAPE, MeanWeightedSumQuantileLoss
    from gluonts.model.evaluation import evaluate_forecasts
    from gluonts.model.forecast import QuantileForecast

    class Windows:
        input = tuple({"target": one, "start": pd.Period("2020-01-01", "h")} for one in past)
        label = tuple({"target": one, "start": pd.Period("2020-01-01", "h")} for one in truth)

    start = pd.Period("2020-01-01", "h")
    keys = [str(level) for level in LEVELS]
    forecasts = [QuantileForecast(forecast_arrays=one.T, forecast_keys=keys, start_date=start) for one in quantiles]
    metrics = [MASE(), ND(), SMAPE(), MeanWeightedSumQuantileLoss(quantile_levels=list(LEVELS))]
    table = evaluate_forecasts(forecasts, test_data=Windows(), metrics=metrics, axis=None, seasonality=season)  # type: ignore[arg-type]
    names = {"mase": "MASE[0.5]", "nd": "ND[0.5]", "smape": "sMAPE[0.5]", "crps": "mean_weighted_sum_quantile_loss"}
    return {ours: float(table[theirs].iloc[0]) for ours, theirs in names.items()}
