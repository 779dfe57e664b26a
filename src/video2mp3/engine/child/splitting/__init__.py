"""Cuts one conversion into several MP3s. Runs in the child."""
