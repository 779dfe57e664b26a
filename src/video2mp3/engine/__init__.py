"""The engine: media in, MP3 out."""
