"""Uploads: in one body or resumable, and conversions that start during an upload."""
