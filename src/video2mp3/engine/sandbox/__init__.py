"""The child's sandbox: resource limits, seccomp and Landlock."""
