"""The search for shops of any kind, by any objective, and that of repairs."""
