"""The v0 API: the calls of the sample application that this project grew out of."""
