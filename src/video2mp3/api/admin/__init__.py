"""What only administrators may call."""
