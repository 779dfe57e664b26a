"""Parameters that several routes share."""

import re
from typing import Annotated

from pydantic import AfterValidator

from video2mp3.errors import NotFound


def known_shape(item_id: str) -> str:
    """Returns the id of an upload or a conversion; raises NotFound for what cannot be one."""
    # What cannot be an id is answered as an id that is not there, and never reaches the database.
    if re.fullmatch(r"[0-9a-f]{32}", item_id) is None:
        raise NotFound
    return item_id


ItemId = Annotated[str, AfterValidator(known_shape)]
"""The id of an upload or a conversion; raises NotFound for anything else."""
