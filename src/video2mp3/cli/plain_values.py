"""Reads the values of flags without pydantic, which takes Typer longer to load than a short file to convert.

Only values that pydantic would read in the same way are read here. Typer gets all others, such as those that are wrong.
"""

import re
from collections.abc import Callable
from typing import Any

import typer

_NUMBERS = {int: re.compile(r"-?[0-9]{1,15}"), float: re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")}


class _OtherValue(Exception):
    """Typer has to read this value."""


class _PlainValue:
    """Typer's `RuntimeParam` of one parameter."""

    def __init__(self, parameter: Any) -> None:
        self._kind = parameter.type_descriptor.annotation
        self._settings = parameter.type_descriptor.parameter_info
        self._by_typer: Callable[[], Any] = parameter.get_runtime_param

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Returns what the program gets; called by Typer."""
        try:
            return self._read(value)
        except Exception:  # a parser refuses a value with any error
            return self._by_typer_in_our_words(value, param, ctx)

    def _by_typer_in_our_words(self, value: Any, param: Any, ctx: Any) -> Any:
        try:
            return self._by_typer().coerce(value, param=param, ctx=ctx)
        except typer.BadParameter as error:
            if self._settings.parser is None and self._kind in _NUMBERS:
                error.message = self._what_to_write(value)
            raise

    def _read(self, value: Any) -> Any:
        if self._settings.parser is not None and isinstance(value, str):
            return self._settings.parser(value)
        if value is None and self._kind != list[str]:
            return None
        if self._kind is str and type(value) is str:
            return value
        if self._kind in _NUMBERS and type(value) is str and _NUMBERS[self._kind].fullmatch(value):
            return self._in_range(self._kind(value))
        if self._kind == list[str] and isinstance(value, (list, tuple)):
            return list(value)
        raise _OtherValue

    def _what_to_write(self, value: Any) -> str:
        """Returns what is wrong with a number, in the words that the engine has for its options."""
        try:
            self._kind(value)
        except (TypeError, ValueError):
            what = "a whole number" if self._kind is int else "a number"
            return f"{value!r} is not {what}; write one such as 3."
        least, most = self._settings.min, self._settings.max
        return f"must be from {least} to {most}." if most is not None else f"must be at least {least}."

    def _in_range(self, number: float) -> float:
        least, most = self._settings.min, self._settings.max
        if (least is not None and number < least) or (most is not None and number > most):
            raise _OtherValue
        return number


def read_without_pydantic(parameters: list[Any]) -> list[Any]:
    """Lets parameters of a Typer command load pydantic only for values that are not read here, and returns them."""
    for parameter in parameters:
        # Another version of Typer may not have the method; then it reads all values itself.
        if hasattr(type(parameter), "get_runtime_param") and "get_runtime_param" not in vars(parameter):
            parameter.get_runtime_param = _constant(_PlainValue(parameter))
    return parameters


def _constant(value: _PlainValue) -> Callable[[], _PlainValue]:
    return lambda: value
