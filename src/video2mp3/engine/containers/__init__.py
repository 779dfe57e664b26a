"""Walkers over the structure of media containers.

`streamability` is the only module here that code outside the sandbox may import: it looks at the first 256 KiB of a
file, in a bounded number of steps. `declared_size`, `mp4_audio` and `source_inspection` read a whole file by ranges and
run in the sandboxed child only (a contract in pyproject.toml).
"""
