"""What a page or the API shows, as plain data: pure functions from events and points, no I/O, no drawing."""
