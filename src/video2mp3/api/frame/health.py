"""Liveness and readiness checks for load balancers and Kubernetes."""

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

DependencyState = Literal["ok", "unavailable"]


class Liveness(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Whether requests can be served, which dependency is missing, and which of this process's loops are stalled."""

    status: Literal["ok", "unavailable"]
    dependencies: dict[str, DependencyState]
    stalled_loops: tuple[str, ...]


class ReadinessChecks:
    """Checks each dependency in a separate thread, within a deadline; caches the result for a second."""

    def __init__(self, services: Services) -> None:
        self._checks: Mapping[str, Callable[[], None]] = {
            "database": services.database.check,
            "queue": services.queue.check,
            "storage": services.storage.check,
        }
        self._running: dict[str, Future[Exception | None]] = {}
        self._lock = asyncio.Lock()
        self._checked_at_s = float("-inf")
        self._states: dict[str, DependencyState] = {}

    async def states(self) -> dict[str, DependencyState]:
        """Returns the state of each dependency."""
        async with self._lock:
            if time.monotonic() - self._checked_at_s > _CACHE_S:
                names = list(self._checks)
                states = await asyncio.gather(*(self._check(name) for name in names))
                self._states = dict(zip(names, states, strict=True))
                self._checked_at_s = time.monotonic()
                for name, state in self._states.items():
                    metrics.DEPENDENCY_READY.labels(name).set(state == "ok")
            return self._states

    async def _check(self, name: str) -> DependencyState:
        # A check that hangs is not started again beside itself.
        running = self._running.get(name) or _start(self._checks[name])
        self._running[name] = running
        done, _ = await asyncio.wait([asyncio.wrap_future(running)], timeout=_DEADLINE_S)
        if not done:
            log.warning("not_ready", dependency=name, reason=f"no answer within {_DEADLINE_S} s")
            return "unavailable"
        del self._running[name]
        error = running.result()
        if error is not None:
            log.warning("not_ready", dependency=name, reason=str(error))
        return "ok" if error is None else "unavailable"


def _start(check: Callable[[], None]) -> Future[Exception | None]:
    """Runs the check in a daemon thread, which does not delay the end of the process even if it hangs.

    An error is the result: an exception that is never retrieved would be a traceback in the log.
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
async def read_liveness() -> Liveness:
    """Whether the process answers."""
    return Liveness()


@router.get("/readyz", response_model=Readiness, responses={503: {"model": Readiness, "description": "Not ready."}})
async def read_readiness(request: Request) -> Response:
    """Whether requests can be served: the database and the storage answer, and no loop of this process is stalled.

    Without the queue, jobs are still accepted, because their rows wait for it. Its state is reported, but load
    balancers should keep sending requests.
    """
    checks: ReadinessChecks = request.app.state.readiness
    states = await checks.states()
    stalled = supervision.stalled()
    if stalled:
        log.warning("not_ready", stalled_loops=stalled)
    ready = not stalled and all(states[name] == "ok" for name in _REQUIRED)
    body = Readiness(status="ok" if ready else "unavailable", dependencies=states, stalled_loops=stalled)
    return JSONResponse(body.model_dump(), 200 if ready else 503, headers={"Cache-Control": "no-store"})
