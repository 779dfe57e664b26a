"""The side of the untrusted file: what runs in the sandboxed process."""
