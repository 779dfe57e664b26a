"""The state of a conversion, as the service reports it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ENDED = ("finished", "failed", "canceled")


@dataclass(frozen=True)
class Conversion:
    """A snapshot of a conversion."""

    id: str
    state: str
    """`waiting`, `queued`, `processing`, `finished`, `failed` or `canceled`."""
    percent: int
    error_code: str | None
    error_detail: str | None
    data: Mapping[str, Any]
    """The complete JSON of GET /v1/conversions/{id}."""

    @property
    def ended(self) -> bool:
        """True in a state that never changes."""
        return self.state in ENDED

    @property
    def size_bytes(self) -> int | None:
        """Size of the MP3; None before it is finished and after it has expired."""
        return self.data["result"]["size_bytes"] if self.data["result"] else None

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "Conversion":
        """Reads the service's JSON."""
        error = data["error"] or {}
        return cls(data["id"], data["state"], data["percent"], error.get("code"), error.get("detail"), data)
