"""The services that routes use."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from video2mp3.api.frame.stream_inspections import StreamInspections
from video2mp3.database.connection import Database
from video2mp3.outbound import Guard
from video2mp3.queue import Queue
from video2mp3.settings import Settings
from video2mp3.storage import Storage


@dataclass(frozen=True)
class Services:
    """The parts of the service, as `wiring` opened them."""

    settings: Settings
    database: Database
    queue: Queue
    storage: Storage
    wake: Callable[[], None]
    """Wakes the relay; call it after a commit that makes something due."""
    guard: Guard
    """Checks URLs that users name."""
    trust_loopback: bool
    """Requests from this machine, to a loopback address, act as the user `local` (see `loopback`)."""
    inspections: StreamInspections = field(default_factory=StreamInspections)
    """What this process knows about uploads in progress."""


def get_services(connection: HTTPConnection) -> Services:
    """Returns the services of the application that the request came to."""
    services = connection.app.state.services
    assert isinstance(services, Services)
    return services


CurrentServices = Annotated[Services, Depends(get_services)]
"""The type of a route's parameter that receives the services."""
