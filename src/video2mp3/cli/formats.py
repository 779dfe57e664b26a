"""`video2mp3 formats`: lists what is converted, and what is refused by its name."""

from collections.abc import Iterator

import typer

from video2mp3.engine.formats import CODECS, CONTAINERS
from video2mp3.engine.refused_formats import REFUSED

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def formats_command() -> None:
    """List the containers and codecs that are converted.

    The content of a file decides, not its extension. `convert` takes files with these extensions from a folder, except
    MP3s.
    """
    print("\n".join(lines()))


def lines() -> Iterator[str]:
    """Yields the list."""
    width = max(len(item.name) for item in (*CONTAINERS, *CODECS)) + 2
    yield "Containers:"
    for container in CONTAINERS:
        yield f"  {container.name:{width}}{' '.join(container.suffixes)}"
    yield "Codecs:"
    for codec in CODECS:
        yield f"  {codec.name:{width}}{' '.join(sorted(codec.decoders))}"
    yield "Not converted:"
    for refused in REFUSED:
        yield f"  {refused.what}"
