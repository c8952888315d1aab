"""Models of remaining life: fit(units, seed) -> state, predict(state, units) -> (median (n,), quantiles (n, Q))."""
