"""Parameters that several routes share."""

import re
from typing import Annotated

from fastapi import Query
from pydantic import AfterValidator

from video2mp3.errors import NotFound


def validate_item_id(item_id: str) -> str:
    """Returns the id of an upload or a conversion; raises NotFound for a malformed one."""
    # A malformed id gets the same response as an unknown one, and never reaches the database.
    if re.fullmatch(r"[0-9a-f]{32}", item_id) is None:
        raise NotFound
    return item_id


ItemId = Annotated[str, AfterValidator(validate_item_id)]
"""The id of an upload or a conversion; raises NotFound for anything else."""

Limit = Annotated[int, Query(ge=1, le=100)]
"""The length of a page of a list."""
Cursor = Annotated[str | None, Query(pattern="^[0-9a-f]{32}$")]
"""The id of the last item of the previous page."""
