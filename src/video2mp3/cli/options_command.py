"""A command with options: its flags have defaults, which the command line wins over."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import fields
from typing import Any

import typer

from video2mp3.cli.defaults import KEYS_OF_COMMANDS, Default, read_defaults
from video2mp3.cli.flags import FlagsCommand, flag_of, with_flags
from video2mp3.cli.terminal import complain, shown, stop
from video2mp3.engine import Options
from video2mp3.errors import InvalidOption

KEYS = frozenset((*KEYS_OF_COMMANDS, *(flag_of(option.name)[2:] for option in fields(Options))))
"""The names of all flags that may have a default, without dashes."""

_OPPOSITES = (("force", "skip_existing"), ("quiet", "verbose"), ("quiet", "as_json"))
"""Switches of which one says the opposite of the other, by the names of their parameters."""


class OptionsCommand(FlagsCommand):
    """A command whose flags come from the command line, else from variables, else from config.toml."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Reads the arguments; an error in a default names the variable or the line that it comes from."""
        if ctx.resilient_parsing or {"-h", "--help"} & set(args):
            return super().parse_args(ctx, args)
        defaults = self._defaults(ctx)
        ctx.default_map = {name: default.value for name, default in defaults.items()}
        try:
            rest = super().parse_args(ctx, args)
        except typer.BadParameter as error:
            name = error.param.name if error.param else None
            if name in defaults and not _is_given(ctx, name):
                error.param_hint = defaults[name].origin
            raise
        used = {name: default for name, default in defaults.items() if not _is_given(ctx, name)}
        left_out = {option.name: option.default for option in _left_out(ctx, used)}
        left_out |= dict.fromkeys(_opposed(ctx, used), False)
        for name, built_in in left_out.items():
            ctx.params[name] = built_in if isinstance(built_in, bool) else None
        if ctx.params.get("dry_run"):
            for name, default in used.items():
                what = "default left out" if name in left_out else "default"
                complain("", f"{what}: {default.key} = {shown(str(default.value))} ({default.origin})")
        return rest

    def _defaults(self, ctx: Any) -> dict[str, Default]:
        """Returns the defaults of this command's parameters by their names."""
        by_key = {max(one.opts, key=len).removeprefix("--"): one for one in self.get_params(ctx)}
        switches = {key for key, parameter in by_key.items() if getattr(parameter, "is_flag", False)}
        found = read_defaults(KEYS, switches)
        return {by_key[key].name: default for key, default in found.items() if key in by_key}


def _is_given(ctx: Any, name: str | None) -> bool:
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _left_out(ctx: Any, used: Mapping[str, Default]) -> list[Any]:
    """Returns the options whose defaults cannot be used together with what wins over them, such as two bitrates.

    Ends the program if the defaults of one origin cannot be used together.
    """
    options = fields(Options)
    chosen = {one.name: ctx.params[one.name] for one in options if _is_given(ctx, one.name)}
    left_out = []
    for from_file in (False, True):
        level = [one for one in options if one.name in used and used[one.name].from_file == from_file]
        _check_together({one.name: ctx.params[one.name] for one in level}, used)
        for option in level:  # in their order: silence_s is only for split silence
            if _fit({**chosen, option.name: ctx.params[option.name]}):
                chosen[option.name] = ctx.params[option.name]
            else:
                left_out.append(option)
    return left_out


def _opposed(ctx: Any, used: Mapping[str, Default]) -> Iterator[str]:
    """Yields the switches whose defaults are the opposite of a switch that wins over them."""
    switches = dict.fromkeys(name for pair in _OPPOSITES for name in pair if ctx.params.get(name))
    chosen = {name for name in switches if name not in used}
    for from_file in (False, True):
        level = [name for name in switches if name in used and used[name].from_file == from_file]
        opposites = {one for pair in _OPPOSITES if chosen & set(pair) for one in pair} - chosen
        yield from (name for name in level if name in opposites)
        chosen |= set(level) - opposites


def _fit(options: Mapping[str, Any]) -> bool:
    with suppress(InvalidOption):
        Options.from_dict(options)
        return True
    return False


def _check_together(level: Mapping[str, Any], used: Mapping[str, Default]) -> None:
    try:
        Options.from_dict(level)
    except InvalidOption as error:
        name = error.detail.partition(":")[0]
        origin = used[name if name in level else next(iter(level))].origin
        stop(f"{origin}: {with_flags(error.detail)}")
