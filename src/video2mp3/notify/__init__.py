"""The notifier: tells owners how their jobs ended."""
