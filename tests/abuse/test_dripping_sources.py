"""Servers that send, or take, next to nothing hold up neither other users' conversions nor their fetches."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

import httpx

from tests.abuse.conftest import StartService
from tests.acceptance.service import Service, wait_for_end
from tests.outbound.listeners import answer, web_server
from tests.servers import wait_until
from tests.worker.system import make_wav
from video2mp3.database.connection import Database
from video2mp3.jobs import fair_queueing, lifecycle, taking, transfers
from video2mp3.jobs.lifecycle import Claim
from video2mp3.settings import load_settings
from video2mp3.wiring import make_guard
from video2mp3.worker import loop, throughput
from video2mp3.worker.fetching import FetchLimits
from video2mp3.worker.job_runner import JobRunner
from video2mp3.worker.partial_fetches import PartialFetches
from video2mp3.worker.transfers import TransferLoop, run_fetch

CLIP = make_wav(2)
WINDOW_S = 3.0
LOOK_S = 3.0
"""How long the controls look on: longer than a clip takes with the guard."""


def without_transfers_beside_the_slots() -> None:
    """A slot fetches, and takes what is to be fetched first; there is no slot for newcomers besides."""
    take_next, convert = taking.take_next, JobRunner.run

    def take(database: Database, announced_job_id: str, worker_id: str) -> Claim | None:
        everything = transfers.TransferLimits(1000)
        with database.write() as session:
            if found := transfers.next_transfer(session, "fetch", worker_id, everything, {}):
                return lifecycle.claim_transfer(session, found[0], "fetch", worker_id)
        return take_next(database, announced_job_id, worker_id)

    def run(runner: JobRunner) -> None:
        if runner._claim.transfer:
            limits = FetchLimits(make_guard(load_settings()))
            run_fetch(runner._database, runner._storage, limits, PartialFetches(), runner._lease, lambda _: None)
        else:
            convert(runner)

    vars(loop)["take_next"] = take
    JobRunner.run = run  # type: ignore[method-assign,assignment]
    TransferLoop.start = lambda _: None  # type: ignore[method-assign,assignment]
    vars(fair_queueing)["next_job_of_newcomer"] = lambda _: None


def without_shares() -> None:
    """One user may have all transfers going on."""
    limits = transfers.TransferLimits
    limits.of_a_user = limits.to_a_host = 1000  # type: ignore[method-assign,assignment]
    limits.for_newcomers = 0  # type: ignore[method-assign,assignment]
    without_making_room()


def without_making_room() -> None:
    """Slow transfers are detected as early as with the guard, but are not preempted while users wait."""
    with_short_windows()
    TransferLoop._preempt_slow_transfers = lambda _: None  # type: ignore[method-assign,assignment]


def with_short_windows() -> None:
    """No guard is taken out: a transfer is seen to be slow after three seconds."""
    throughput.WINDOW_S = WINDOW_S


@dataclass
class Server:
    """Sends little each second for most paths, and a file for `/clip.wav`; takes no file that is sent to it."""

    port: int = 0
    piece_bytes: int = 1
    """Sent each second."""
    dripping: set[str] = field(default_factory=set)
    """The paths that it was asked for."""
    ended: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def respond(self, handler: BaseHTTPRequestHandler) -> None:
        if handler.path == "/clip.wav":
            return answer(handler, 200, CLIP)
        self.dripping.add(handler.path)
        if handler.command == "GET":
            handler.send_response(200)
            handler.send_header("Content-Length", "1000000")
            handler.end_headers()
        piece = b"x" * self.piece_bytes if handler.command == "GET" else b"HTTP/1.1 100 Continue\r\n\r\n"
        while not self.ended.wait(1):
            handler.wfile.write(piece)
        return None


@contextmanager
def dripping_server() -> Iterator[tuple[Server, dict[str, Any]]]:
    """The server, and the settings that let the service reach it."""
    server = Server()
    with web_server(server.respond) as server.port:
        try:
            yield server, {"allowed_networks": "127.0.0.0/8", "allowed_ports": server.port, "worker_slots": 2}
        finally:
            server.ended.set()


def order(client: httpx.Client, url: str, **more: Any) -> str:
    answer = client.post("/v1/conversions", json={"source": {"url": url}, **more}).raise_for_status()
    job_id: str = answer.json()["id"]
    return job_id


def upload_clip(client: httpx.Client) -> str:
    answer = client.post("/v1/conversions", files={"file": ("clip.wav", CLIP)}).raise_for_status()
    job_id: str = answer.json()["id"]
    return job_id


def states(client: httpx.Client) -> set[str]:
    items = client.get("/v1/conversions", params={"limit": 100}).raise_for_status().json()["items"]
    return {job["state"] for job in items}


def drip(service: Service, server: Server, attacker: httpx.Client, *, fetches: int) -> None:
    """Orders ten files that drip, and waits until as many are fetched as may be."""
    for number in range(10):
        order(attacker, server.url(f"{number}.wav"))
    wait_until(lambda: len(server.dripping) >= fetches, 60, "the fetches")


def test_dripping_sources_hold_up_nobody_else(start_service: StartService) -> None:
    """It should convert another user's upload, and fetch that user's file from the same server, meanwhile."""
    with (
        dripping_server() as (server, settings),
        start_service(**settings) as service,
        service.user() as attacker,
        service.user() as other,
    ):
        drip(service, server, attacker, fetches=2)
        assert wait_for_end(other, upload_clip(other))["state"] == "finished"
        assert wait_for_end(other, order(other, server.url("clip.wav")))["state"] == "finished"
        assert states(attacker) == {"waiting"}


def test_in_the_slots_dripping_sources_hold_up_all_conversions(start_service: StartService) -> None:
    with (
        dripping_server() as (server, settings),
        start_service(without_transfers_beside_the_slots, **settings) as service,
        service.user() as attacker,
        service.user() as other,
    ):
        for number in range(3):
            order(attacker, server.url(f"{number}.wav"))
        clips = [upload_clip(other) for _ in range(3)]
        wait_until(lambda: len(server.dripping) == 2, 60, "a fetch in each slot")
        time.sleep(LOOK_S)
        assert {other.get(f"/v1/conversions/{clip}").json()["state"] for clip in clips} == {"queued"}


def test_without_shares_dripping_sources_hold_up_another_user_s_fetch(start_service: StartService) -> None:
    with (
        dripping_server() as (server, settings),
        start_service(without_shares, **settings, transfers_at_once=4) as service,
        service.user() as attacker,
        service.user() as other,
    ):
        drip(service, server, attacker, fetches=4)
        clip = order(other, server.url("clip.wav"))
        time.sleep(LOOK_S)
        assert other.get(f"/v1/conversions/{clip}").json()["state"] == "waiting"


@contextmanager
def accounts_that_drip(service: Service, server: Server, *, places: int) -> Iterator[None]:
    """Six accounts order files that come a little faster than they have to, and take up all places."""
    server.piece_bytes = 20 * 1024
    with ExitStack() as stack:
        for account in range(6):
            user = stack.enter_context(service.user())
            for number in range(2):
                order(user, server.url(f"{account}-{number}.wav"))
        wait_until(lambda: len(server.dripping) >= places, 60, "fetches in all places")
        yield


def test_many_accounts_above_the_least_throughput_hold_up_nobody_else(start_service: StartService) -> None:
    """It should give a place to a user who has none, though other such users have waited for longer."""
    with (
        dripping_server() as (server, settings),
        start_service(with_short_windows, **settings, transfers_at_once=4) as service,
        accounts_that_drip(service, server, places=4),
        service.user() as other,
    ):
        assert wait_for_end(other, order(other, server.url("clip.wav")))["state"] == "finished"


def test_without_making_room_many_accounts_hold_up_another_user_s_fetch(start_service: StartService) -> None:
    with (
        dripping_server() as (server, settings),
        start_service(without_making_room, **settings, transfers_at_once=4) as service,
        accounts_that_drip(service, server, places=4),
        service.user() as other,
    ):
        clip = order(other, server.url("clip.wav"))
        time.sleep(WINDOW_S + LOOK_S)
        assert other.get(f"/v1/conversions/{clip}").json()["state"] == "waiting"


def test_receivers_that_take_nothing_hold_up_nobody_else(start_service: StartService) -> None:
    """It should have converted what they get, and have free slots and room for another user's result."""
    with (
        dripping_server() as (server, settings),
        start_service(**settings) as service,
        service.user() as attacker,
        service.user() as other,
    ):
        for number in range(6):
            order(attacker, server.url("clip.wav"), result_url=server.url(f"{number}.mp3"))
        wait_until(lambda: len(server.dripping) >= 2, 60, "results that are sent")
        wait_until(lambda: states(attacker) == {"processing"}, 60, "the other conversions")
        assert wait_for_end(other, upload_clip(other))["state"] == "finished"
        assert states(attacker) == {"processing"}
