"""Raises the limit of open file descriptors."""

import resource
from contextlib import suppress

_ENOUGH = 65_536
"""Enough; some systems have a hard limit of a thousand million, which costs memory."""


def raise_descriptor_limit() -> int:
    """Raises the soft limit to the hard one, to 65,536 at most, and returns it.

    Shells and service managers set 1,024 for compatibility with old programs. Each connection takes one descriptor,
    each conversion several.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < enough:
        with suppress(ValueError, OSError):  # macOS has another, lower limit
            resource.setrlimit(resource.RLIMIT_NOFILE, (enough, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
