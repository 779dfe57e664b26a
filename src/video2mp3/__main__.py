"""Runs the command line: ``python -m video2mp3``."""

from video2mp3.cli import main

main()
