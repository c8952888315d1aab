"""The first plan of a shop, by rules, and what no plan can be better than."""
