"""Models that forecast: predict(values, horizon, season, levels, seed) -> (B, H, Q) quantiles of the next values."""
