"""video2mp3 turns video into MP3: a service, a command line and a library."""

__version__ = "0.1.0"
