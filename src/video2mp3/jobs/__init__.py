"""Jobs: their lifecycle, and the relay that decides their order."""
