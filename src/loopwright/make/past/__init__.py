"""Work as it was done: logs, how long it took, who was there, and the same weeks planned anew."""
