"""Commands whose modules are loaded when they are called: their flags need the engine, and others start without it.

Until then, a function without flags stands for each of them. `--help` lists its first line.
"""

from importlib import import_module
from typing import Any

from typer.core import TyperGroup
from typer.main import get_command

from video2mp3.cli.plain_values import read_without_pydantic
from video2mp3.cli.suggestions import command_meant


def convert() -> None:
    """Convert videos to MP3 on this machine."""


def formats() -> None:
    """List the containers and codecs that are converted."""


def probe() -> None:
    """Show the tracks, languages and chapters of videos."""


def push() -> None:
    """Convert local videos to MP3 with a remote service."""


_LATE = frozenset(function.__name__ for function in (convert, formats, probe, push))


class LateCommands(TyperGroup):
    """Replaces the function that stands for the called command by the command itself, `app` in its module."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Returns the parameters, `--help` among them."""
        return read_without_pydantic(super().get_params(ctx))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Returns the name, the command and its arguments."""
        if self.get_command(ctx, args[0]) is None and (meant := command_meant(args[0])):
            ctx.fail(f"No such command {args[0]!r}. Did you mean {meant!r}?")
        name, command, arguments = super().resolve_command(ctx, args)
        return name, command if name is None else self.whole(name), arguments

    def whole(self, name: str) -> Any:
        """Returns a command with all its flags."""
        command: Any = self.commands[name]
        if name in _LATE:
            command = get_command(import_module(f"video2mp3.cli.{name}").app)
            command.name = name
        _simplify(command)
        return command


def _simplify(command: Any) -> None:
    """Lets wrong numbers be described in the same words for all commands, and the help of arguments show no types."""
    for parameter in read_without_pydantic(command.params):
        if parameter.param_type_name == "argument" and not parameter.type_descriptor.is_choice:
            parameter.display_type_rich = _no_type
    for inner in getattr(command, "commands", {}).values():
        _simplify(inner)


def _no_type(ctx: Any) -> None:
    """Returns no type of Python, such as <list[str]>, to show behind an argument's name."""
