"""What the service's commands do."""
