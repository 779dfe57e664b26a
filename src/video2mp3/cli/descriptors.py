"""The number of file descriptors that this process may have open."""

import resource
from contextlib import suppress

_ENOUGH = 65_536
"""More only costs: some systems have a hard limit of a thousand million."""


def raise_descriptor_limit() -> int:
    """Raises the soft limit to the hard one, to 65,536 at most, and returns it.

    Shells and service managers set 1,024 for the sake of old programs. Each connection takes one descriptor, each
    conversion some.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < enough:
        with suppress(ValueError, OSError):  # macOS has a further limit of its own
            resource.setrlimit(resource.RLIMIT_NOFILE, (enough, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
