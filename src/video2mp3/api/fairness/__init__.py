"""How callers share this process: its threads, its event loop, and the number of their requests."""
