"""The search for short plans: a tabu search over disjunctive graphs, compiled by Numba (extra `plan`)."""
