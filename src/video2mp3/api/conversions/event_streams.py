"""Limits open event streams: each holds a connection for as long as a conversion takes."""

from video2mp3.api.fairness.open_per_user import OpenPerUser
from video2mp3.api.server.connections import descriptor_limit
from video2mp3.errors import TooManyEventStreams


class EventStreams(OpenPerUser):
    """The open event streams; all together use at most half of the descriptors."""

    def __init__(self, per_user: int, total: int) -> None:
        """Takes the limits."""
        super().__init__("event_streams", per_user, lambda: min(total, descriptor_limit() // 2), TooManyEventStreams)
