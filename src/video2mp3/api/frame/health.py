"""Is it alive, is it ready: for load balancers and Kubernetes."""

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Literal

import structlog
from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from video2mp3 import supervision
from video2mp3.api.frame.services import Services
from video2mp3.telemetry import metrics

log = structlog.get_logger()

_DEADLINE_S = 2.0
_CACHE_S = 1.0
_REQUIRED = ("database", "storage")

router = APIRouter(tags=["operations"])

Part = Literal["ok", "unavailable"]


class Liveness(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Whether requests can be served, which part is missing, and which of this process's loops do not turn."""

    status: Literal["ok", "unavailable"]
    parts: dict[str, Part]
    stalled_loops: tuple[str, ...]


class ReadinessChecks:
    """Checks each part in a thread of its own, within a deadline; remembers the answer for a second."""

    def __init__(self, services: Services) -> None:
        self._checks: Mapping[str, Callable[[], None]] = {
            "database": services.database.check,
            "queue": services.queue.check,
            "storage": services.storage.check,
        }
        self._running: dict[str, Future[Exception | None]] = {}
        self._lock = asyncio.Lock()
        self._checked_at_s = float("-inf")
        self._parts: dict[str, Part] = {}

    async def parts(self) -> dict[str, Part]:
        """Returns the state of each part."""
        async with self._lock:
            if time.monotonic() - self._checked_at_s > _CACHE_S:
                names = list(self._checks)
                states = await asyncio.gather(*(self._check(name) for name in names))
                self._parts = dict(zip(names, states, strict=True))
                self._checked_at_s = time.monotonic()
                for name, state in self._parts.items():
                    metrics.PART_READY.labels(name).set(state == "ok")
            return self._parts

    async def _check(self, name: str) -> Part:
        # A check that hangs is not started again beside itself.
        running = self._running.get(name) or _start(self._checks[name])
        self._running[name] = running
        done, _ = await asyncio.wait([asyncio.wrap_future(running)], timeout=_DEADLINE_S)
        if not done:
            log.warning("not_ready", part=name, reason=f"no answer within {_DEADLINE_S} s")
            return "unavailable"
        del self._running[name]
        error = running.result()
        if error is not None:
            log.warning("not_ready", part=name, reason=str(error))
        return "ok" if error is None else "unavailable"


def _start(check: Callable[[], None]) -> Future[Exception | None]:
    """Runs it in a thread that does not hold up the end of the process, even when it hangs.

    What goes wrong is the result: an exception that nobody waits for any more would be a traceback in the log.
    """
    future: Future[Exception | None] = Future()

    def run() -> None:
        try:
            check()
        except Exception as error:
            future.set_result(error)
        else:
            future.set_result(None)

    threading.Thread(target=run, name="readiness", daemon=True).start()
    return future


@router.get("/livez")
async def livez() -> Liveness:
    """Whether the process answers."""
    return Liveness()


@router.get("/readyz", response_model=Readiness, responses={503: {"model": Readiness, "description": "Not ready."}})
async def readyz(request: Request) -> Response:
    """Whether requests can be served: the database and the storage answer, and all loops of this process turn.

    Without the queue jobs are still accepted, as their rows wait for it: its state is reported, and is no reason to
    send requests elsewhere.
    """
    checks: ReadinessChecks = request.app.state.readiness
    parts = await checks.parts()
    stalled = supervision.stalled()
    if stalled:
        log.warning("not_ready", stalled_loops=stalled)
    ready = not stalled and all(parts[name] == "ok" for name in _REQUIRED)
    body = Readiness(status="ok" if ready else "unavailable", parts=parts, stalled_loops=stalled)
    return JSONResponse(body.model_dump(), 200 if ready else 503, headers={"Cache-Control": "no-store"})
