"""What the service tells about itself: metrics, and traces that are carried from process to process."""
