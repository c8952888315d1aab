"""Dates: where one order more fits, what hangs on what, and why an order is late."""
