"""The service's own program with one of its guards taken out: the control that shows the harm.

``python -m tests.abuse.program --without tests.abuse.test_heads:without_step_limit -- serve``
"""

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence

from video2mp3.cli import main


def arguments(role: Sequence[str], without: Callable[[], None] | None = None) -> list[str]:
    """Returns the arguments of this program that start a role, without the guard that the function takes out."""
    guard = [] if without is None else ["--without", f"{without.__module__}:{without.__name__}"]
    return [*guard, "--", *role]


def run() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--without", action="append", default=[], help="MODULE:FUNCTION that takes a guard out")
    parser.add_argument("role", nargs="+")
    options = parser.parse_args()
    for guard in options.without:
        module, _, function = guard.partition(":")
        getattr(importlib.import_module(module), function)()
    sys.argv = ["video2mp3", *options.role]
    main()


if __name__ == "__main__":
    run()
