"""The v0 API: the calls of the tutorial system that this project grew out of."""
