"""The side of the caller: starts and watches the child, and checks all that it says. Never imports media libraries."""
