"""How fast the engine is, next to others, on the same machine in the same minutes."""
