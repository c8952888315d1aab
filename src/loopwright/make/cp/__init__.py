"""OR-Tools CP-SAT for any shop: the model, its bound, windows around a plan, and turns with the annealing."""
