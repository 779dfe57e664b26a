"""The notifier: informs owners how their jobs ended."""
