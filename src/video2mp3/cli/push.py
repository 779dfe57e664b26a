"""`video2mp3 push`: converts local files with a remote service."""

from typing import Annotated, Any

import typer

from video2mp3.cli.flags import OUTPUT, Force, takes_options, with_flags
from video2mp3.cli.local.inputs import input_of
from video2mp3.cli.local.output_paths import STANDARD_OUTPUT, pair_outputs
from video2mp3.cli.options_command import OptionsCommand
from video2mp3.cli.saved_keys import DEFAULT_SERVER, key_for, usual_server
from video2mp3.cli.terminal import complain, read_password, stop
from video2mp3.engine import Options
from video2mp3.errors import InvalidOption

_SERVICE = "Service"
LocalInputs = Annotated[
    list[str], typer.Argument(metavar="FILE|FOLDER", help="Videos, or folders of them.", show_default=False)
]
LocalOutput = Annotated[
    str | None,
    typer.Option(
        "-o",
        "--output",
        metavar="FILE|FOLDER",
        help="Where to write (default: beside each input): a file, a folder, or a name with {fields}.",
        rich_help_panel=OUTPUT,
    ),
]


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(cls=OptionsCommand)
@takes_options
def push_command(
    files: LocalInputs,
    options: dict[str, Any],
    server: Annotated[
        str | None,
        typer.Option(
            "--server",
            metavar="URL",
            help=f"Address of the service (default: VIDEO2MP3_SERVER, else that of `login`, else {DEFAULT_SERVER}).",
            rich_help_panel=_SERVICE,
        ),
    ] = None,
    user: Annotated[
        str | None,
        typer.Option(
            "--user", metavar="NAME", help="Sign in to this account; asks for its password.", rich_help_panel=_SERVICE
        ),
    ] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.", rich_help_panel=_SERVICE)
    ] = False,
    output: LocalOutput = None,
    force: Force = False,
) -> None:
    """Convert local videos to MP3 with a remote service.

    The command uploads the files one after the other, then downloads the MP3s; several MP3s of one file come as a ZIP.
    After Ctrl-C or a dropped connection, the same command resumes. An API key comes from the variable VIDEO2MP3_TOKEN
    or from `video2mp3 login`; other flags that are not given come from variables, such as VIDEO2MP3_PRESET, or from
    ~/.config/video2mp3/config.toml (docs/command-line.md). Exit status: 0 all converted, 1 some failed, 2 wrong usage.

    \b
    Examples:
      video2mp3 push talk.mp4
      video2mp3 push recordings --server https://video2mp3.example.com -o mp3/
    """
    try:
        chosen = Options.from_dict(options).resolved()
    except InvalidOption as error:
        stop(with_flags(error.detail))
    if output == STANDARD_OUTPUT:
        stop("-o -: this command writes files only; name a file or a folder.")
    if elsewhere := [text for text in files if input_of(text).origin]:
        stop(f"{elsewhere[0]}: this command sends files; save the input to one. For URLs, see docs/urls.md.")
    pairs = pair_outputs([input_of(text) for text in files], output, chosen)
    if chosen.makes_segments:
        pairs = [(one, target.with_suffix(".zip")) for one, target in pairs]
    # As for `convert`: a second run over a folder is no error.
    tasks = [(one.file, target) for one, target in pairs if force or one.folder is None or not target.exists()]
    if skipped := len(pairs) - len(tasks):
        complain("", f"{skipped} of {len(pairs)} files of folders are skipped: their MP3s exist")
    # Imported late: the HTTP library takes a while to load, and other commands do not need it.
    from video2mp3.cli.push_files import push

    server = server or usual_server()
    access: str | tuple[str, str] | None = key_for(server)
    if user is not None:
        access = (user, read_password("password", from_stdin=password_stdin))
    try:
        succeeded = push(tasks, server, access, chosen, force=force)
    except KeyboardInterrupt:
        complain("", "interrupted; run the same command to resume")
        raise typer.Exit(130) from None
    if not succeeded:
        raise typer.Exit(1)
