"""Models of classes: fit(cases, labels, groups, seed) -> state, predict(state, cases) -> (n, K) probabilities.

The columns stand in the order of `state["classes"]`. `learn.classing.cases` has the types; `learn.proof.classes`
evaluates.
"""
