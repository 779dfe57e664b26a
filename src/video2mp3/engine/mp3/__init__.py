"""The MP3 format: frames, the info tag, ID3."""
