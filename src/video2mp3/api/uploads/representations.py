"""JSON model of uploads."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from video2mp3.api.frame.schemas import moment
from video2mp3.database.tables import Upload


class UploadJSON(BaseModel):
    """An upload."""

    id: str
    name: str
    size_bytes: int | None = Field(description="The whole size; null while it is not known.")
    received_bytes: int
    state: Literal["open", "complete"]
    created_at: datetime
    expires_at: datetime

    @classmethod
    def of(cls, upload: Upload) -> "UploadJSON":
        """Represents a row."""
        return cls(
            id=upload.id,
            name=upload.name,
            size_bytes=upload.size_bytes,
            received_bytes=upload.received_bytes,
            state="complete" if upload.state == "complete" else "open",
            created_at=moment(upload.created_at),
            expires_at=moment(upload.expires_at),
        )
