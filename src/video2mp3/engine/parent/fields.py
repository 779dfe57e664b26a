"""Reads the fields of the child's messages with their types and bounds, because hostile media may control the child."""

from collections.abc import Mapping
from typing import Any

from video2mp3.engine.mp3.id3 import clean_text
from video2mp3.errors import EngineCrashed

_MAX_TRACKS = 100
_MAX_LEVEL_DB = 300
_MAX_COUNT = 2**48
_LEAST_S = 1e-6
_MAX_TEXT = 300


class Fields:
    """Reads typed fields of a message.

    Raises:
        EngineCrashed: from every method, if the value has another type or is out of range.
    """

    def __init__(self, values: object) -> None:
        if not isinstance(values, dict):
            raise EngineCrashed
        self.values: Mapping[str, Any] = values

    def str_field(self, name: str) -> str:
        """Returns text as one clean, bounded line."""
        value = self.values.get(name)
        if not isinstance(value, str):
            raise EngineCrashed
        return clean_text(value, _MAX_TEXT)

    def optional_str_field(self, name: str) -> str | None:
        """Returns text, or None if it is missing or empty."""
        return None if self.values.get(name) is None else self.str_field(name) or None

    def int_field(self, name: str) -> int:
        """Returns an integer that is not negative."""
        value = self.values.get(name)
        if type(value) is not int or not 0 <= value <= _MAX_COUNT:
            raise EngineCrashed
        return value

    def rate_field(self, name: str) -> int:
        """Returns an integer above 0: others divide by it."""
        value = self.int_field(name)
        if not value:
            raise EngineCrashed
        return value

    def optional_int_field(self, name: str) -> int | None:
        """Returns an integer, or None."""
        return None if self.values.get(name) is None else self.int_field(name)

    def seconds_field(self, name: str) -> float:
        """Returns a time in seconds."""
        value = self.values.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= _MAX_COUNT:
            raise EngineCrashed  # also rejects NaN
        # Denormal times would make quotients infinite.
        return float(value) if value >= _LEAST_S else 0.0

    def optional_seconds_field(self, name: str) -> float | None:
        """Returns a time in seconds, or None."""
        return None if self.values.get(name) is None else self.seconds_field(name)

    def level_field(self, name: str) -> float:
        """Returns a level or gain in decibels."""
        return self._signed_field(name, _MAX_LEVEL_DB)

    def difference_field(self, name: str) -> float:
        """Returns a difference of times in seconds, which may be negative."""
        return self._signed_field(name, _MAX_COUNT)

    def int_list_field(self, name: str, most: int = _MAX_TRACKS) -> tuple[int, ...]:
        """Returns a list of integers; an empty one if the field is missing."""
        values = self.values.get(name, [])
        if not isinstance(values, list) or len(values) > most:
            raise EngineCrashed
        return tuple(Fields({name: value}).int_field(name) for value in values)

    def bool_field(self, name: str) -> bool:
        """Returns a boolean."""
        value = self.values.get(name)
        if not isinstance(value, bool):
            raise EngineCrashed
        return value

    def optional_bool_field(self, name: str) -> bool:
        """Returns a boolean; False if it is missing."""
        return name in self.values and self.bool_field(name)

    def str_list_field(self, name: str) -> tuple[str, ...]:
        """Returns a list of texts, each as one clean, bounded line."""
        value = self.values.get(name)
        if not isinstance(value, list) or len(value) > _MAX_TRACKS or not all(isinstance(text, str) for text in value):
            raise EngineCrashed
        return tuple(clean_text(text, _MAX_TEXT) for text in value)

    def object_field(self, name: str) -> "Fields":
        """Returns an object."""
        return Fields(self.values.get(name))

    def list_field(self, name: str, most: int = _MAX_TRACKS) -> "tuple[Fields, ...]":
        """Returns a list of objects."""
        value = self.values.get(name)
        if not isinstance(value, list) or len(value) > most:
            raise EngineCrashed
        return tuple(Fields(part) for part in value)

    def _signed_field(self, name: str, most: float) -> float:
        value = self.values.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= most:
            raise EngineCrashed  # also rejects NaN
        return float(value)
