"""The v0 API: the calls of the tutorial system from which this project grew. Its clients keep working."""
