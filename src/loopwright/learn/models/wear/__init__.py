"""Models of recorded runs: fit(features, y, seed) -> state, predict(state, features) -> (n,) probability of worn."""
