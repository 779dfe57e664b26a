"""Workers: take jobs and convert."""
