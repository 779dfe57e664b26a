"""Deletes stored objects with the rows that refer to them."""

from collections.abc import Callable, Sequence

import structlog
from sqlalchemy.orm import Session

from video2mp3.api.frame.services import Services
from video2mp3.errors import DatabaseFull, Unavailable

log = structlog.get_logger()


def delete_stored(services: Services, delete: Callable[[Session], Sequence[str] | None]) -> bool:
    """Deletes rows in a transaction, and after it the objects that they refer to.

    On a full disk, the objects are deleted first: they make the room that the transaction needs.

    Args:
        services: The service's parts.
        delete: Deletes the rows and returns the objects' keys; None: it deleted nothing.

    Returns:
        Whether anything was deleted.
    """
    keys: Sequence[str] | None = None
    try:
        with services.database.write() as session:
            keys = delete(session)
    except DatabaseFull:
        if not keys:
            raise
        _delete_objects(services, keys)
        with services.database.write() as session:
            delete(session)
    else:
        _delete_objects(services, keys or ())
    return keys is not None


def _delete_objects(services: Services, keys: Sequence[str]) -> None:
    """Deletes objects; the sweeper deletes those that fail now."""
    try:
        for key in keys:
            services.storage.delete(key)
    except Unavailable as error:
        log.warning("objects_not_deleted", count=len(keys), error=error.code)
