"""What the child may still do once it has confined itself: limits, seccomp and Landlock."""
