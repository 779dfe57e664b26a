"""Deletes stored objects after a request."""

import structlog

from video2mp3.api.frame.services import Services
from video2mp3.errors import Unavailable

log = structlog.get_logger()


def delete_objects(services: Services, keys: list[str]) -> None:
    """Deletes objects that no row refers to any more; the sweeper deletes those that fail now."""
    try:
        for key in keys:
            services.storage.delete(key)
    except Unavailable as error:
        log.warning("objects_not_deleted", count=len(keys), error=error.code)
