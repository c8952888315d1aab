"""What a number of an evaluation means: one file for each task, each metric checked against its reference."""
