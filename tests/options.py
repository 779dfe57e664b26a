"""Options as the code below the entry points has them."""

from typing import Any

from video2mp3.engine import Options, ResolvedOptions


def resolved(**values: Any) -> ResolvedOptions:
    """Checks and resolves options by name."""
    return Options.from_dict(values).resolved()
