"""Loopwright: the loop of new manufacturing in one Python package."""
