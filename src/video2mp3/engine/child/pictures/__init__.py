"""Covers: pictures of the video and pictures that came with the job."""
