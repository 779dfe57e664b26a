"""PCM to MP3: what is done with samples in the child."""
