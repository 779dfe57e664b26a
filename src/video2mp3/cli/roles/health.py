"""`video2mp3 health`: checks one role, for containers' health checks and probes."""

import re
import socket
import urllib.error
import urllib.request
from contextlib import closing
from typing import Literal

from video2mp3.errors import Unavailable
from video2mp3.settings import Settings

Role = Literal["api", "worker", "notifier"]

_TIMEOUT_S = 8.0
# A line of `GET /metrics` (see `telemetry.loops`).
_STALLED = re.compile(r'^video2mp3_loop_stalled\{loop="([^"]+)"\} 1', re.MULTILINE)


def check(settings: Settings, role: Role) -> str:
    """Returns a sentence if the role on this machine is healthy.

    The api (also in `serve`) is checked over HTTP. Worker and notifier are checked by their metrics, which report
    stalled loops; an unavailable database or broker does not make them unhealthy. Without metrics, the worker needs a
    recent heartbeat, and the notifier's database and broker must answer.

    Raises:
        Unavailable: the role is not healthy; the sentence says why.
    """
    if role == "api":
        return _ask_api(settings)
    if settings.metrics_port:
        _require_turning_loops(settings)
        return f"No loop of the {role} is stalled."
    # Imported late: the database library takes most of a second to load, and probes are frequent.
    from video2mp3.database import migrate
    from video2mp3.jobs import workers
    from video2mp3.wiring import open_database, open_queue

    with closing(open_database(settings)) as database:
        migrate.require_current(database)
        if role == "worker":
            with database.read() as session:
                if not workers.is_alive(session, socket.gethostname()):
                    raise Unavailable(f"No worker on this machine has sent a heartbeat for {workers.SEEN_S} s.")
            return "The worker's heartbeat is in the database."
    with closing(open_queue(settings)) as queue:
        queue.check()
    return "The notifier's database and broker answer."


def _ask_api(settings: Settings) -> str:
    url = _url(settings.host, settings.port, "/readyz")
    try:
        _get(url)
    except urllib.error.HTTPError as error:
        with error:
            raise Unavailable(f"{url} answered {error.code}: {error.read(1000).decode(errors='replace')}") from None
    except OSError as error:
        raise Unavailable(f"{url} does not answer ({error}).") from None
    return "The service and its dependencies answer."


def _require_turning_loops(settings: Settings) -> None:
    url = _url(settings.metrics_host, settings.metrics_port, "/metrics")
    try:
        stalled = _STALLED.findall(_get(url))
    except OSError as error:
        raise Unavailable(f"{url} does not answer ({error}).") from None
    if stalled:
        raise Unavailable(f"These loops of the process are stalled: {', '.join(stalled)}. See its log.")


def _url(host: str, port: int, path: str) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104
    return f"http://{host}:{port}{path}"


def _get(url: str) -> str:
    # No proxy from the environment: the server is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=_TIMEOUT_S) as answer:
        return bytes(answer.read()).decode()
