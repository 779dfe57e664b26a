"""Uploads: ordered lists of immutable chunks."""
