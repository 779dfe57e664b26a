"""How callers share this process: its threads, its event loop and its request rates."""
