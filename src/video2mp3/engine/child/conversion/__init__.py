"""The ways to convert a file: each takes a job and yields MP3s. Runs in the child."""
