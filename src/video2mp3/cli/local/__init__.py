"""What `convert`, `probe` and `push` share: inputs, outputs, progress."""
