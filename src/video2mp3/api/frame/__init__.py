"""What every request passes, whatever it is for: this room knows no feature."""
