"""Shops from files, and back."""
