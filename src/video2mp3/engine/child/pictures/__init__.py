"""Covers: frames of the video, and pictures from the job."""
