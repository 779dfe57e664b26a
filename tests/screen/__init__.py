"""The recorded screen of the README: `make screen` runs the program in a terminal and draws what that shows."""
