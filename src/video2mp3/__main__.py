"""Runs the command line: ``python -m video2mp3``."""

import sys

_CONVERTING = ("convert", "probe", "serve", "api", "worker")


def main() -> None:
    """Runs the command line; what conversions are forked from loads at the same time as the flags and the server."""
    if sys.argv[1:2] and sys.argv[1] in _CONVERTING and not {"-h", "--help"} & set(sys.argv):
        from video2mp3 import engine

        engine.prepare()
    from video2mp3 import cli

    cli.main()


if __name__ == "__main__":
    main()
