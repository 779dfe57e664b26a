"""Uploads: in one body or resumable, and the conversion that begins while one still comes."""
