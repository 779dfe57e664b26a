"""A file's tracks and their decoded sound. Runs in the child: the input is hostile."""
