"""The command line `video2mp3`."""

import typer

app = typer.Typer(name="video2mp3", no_args_is_help=True, help="Turns video into MP3.")


def main() -> None:
    """Runs the command line."""
    app()
