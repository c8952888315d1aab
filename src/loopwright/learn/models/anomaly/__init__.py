"""Models of what is usual: fit(values, seed) -> state, score(state, values) -> (scores (N,), state)."""
