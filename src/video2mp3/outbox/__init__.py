"""Messages that leave the service after a commit: what is queued, who is next, and what has become of it."""
