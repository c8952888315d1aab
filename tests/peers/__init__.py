"""Peers that others wrote, and recordings in the form that they play."""
