"""`video2mp3 health`: asks one role whether it is well, for containers' health checks and probes."""

import socket
import urllib.error
import urllib.request
from typing import Literal

from video2mp3.errors import Unavailable
from video2mp3.settings import Settings

Role = Literal["api", "worker", "notifier"]

_TIMEOUT_S = 8.0


def check(settings: Settings, role: Role) -> str:
    """Returns a sentence when the role that runs on this machine is well.

    The api, which is in `serve` too, is asked over HTTP. A worker has to have written its heartbeat lately. The
    notifier, which nobody can ask, is taken to be as well as its database and its broker.

    Raises:
        Unavailable: saying what is not.
    """
    if role == "api":
        return _ask_api(settings)
    # They load the database library, which the commonest check need not wait for.
    from video2mp3.jobs import workers
    from video2mp3.wiring import open_database, open_queue

    database = open_database(settings)
    try:
        database.check()
        if role == "worker":
            with database.read() as session:
                if not workers.is_alive(session, socket.gethostname()):
                    raise Unavailable(f"No worker of this machine has been heard of for {workers.SEEN_S} s.")
            return "The worker's heartbeat is in the database."
    finally:
        database.close()
    queue = open_queue(settings)
    try:
        queue.check()
    finally:
        queue.close()
    return "The notifier's database and broker answer."


def _ask_api(settings: Settings) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104
    url = f"http://{host}:{settings.port}/readyz"
    try:
        # No proxy of the environment's: this is the machine itself.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=_TIMEOUT_S):
            return "The service answers, and so do its parts."
    except urllib.error.HTTPError as error:
        with error:
            raise Unavailable(f"{url} answered {error.code}: {error.read(1000).decode(errors='replace')}") from None
    except OSError as error:
        raise Unavailable(f"{url} does not answer ({error}).") from None
