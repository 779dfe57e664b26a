"""The service's own program with something wrong in it.

``python -m tests.chaos.program [options] -- worker --slots 1``: what the product does otherwise is all its own.
"""

import argparse
import sys
import time
from typing import Any

from tests.chaos.failpoints import Failpoints
from tests.chaos.faults import FAULTS
from video2mp3.cli import main
from video2mp3.jobs.housekeeping import loops
from video2mp3.jobs.housekeeping.relay import Relay
from video2mp3.jobs.lifecycle import claims, states
from video2mp3.queue.rabbitmq import RabbitQueue
from video2mp3.worker import leases


def _set_clock(offset_s: float) -> None:
    """Lets this process's clock be wrong."""
    right_s, right_ns = time.time, time.time_ns
    time.time = lambda: right_s() + offset_s
    time.time_ns = lambda: right_ns() + int(offset_s * 1e9)


def _publish_often(deliveries: int) -> None:
    """Publishes every message several times."""
    original = RabbitQueue.publish

    def publish(self: RabbitQueue, queue: str, body: bytes, expires_s: float, headers: Any = None) -> None:
        for _ in range(deliveries):
            original(self, queue, body, expires_s, headers)

    RabbitQueue.publish = publish  # type: ignore[method-assign]


def _announce_again_after(seconds: int) -> None:
    """Shortens the time after which a message that nobody took is published again."""
    original = Relay.__init__

    def init(self: Relay, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **{"announced_s": seconds, **kwargs})

    Relay.__init__ = init  # type: ignore[method-assign]


def _hasten() -> None:
    """Lets leases expire, and what is lost be noticed, in a fifth of the usual times."""
    states.LEASE_S = 6
    vars(claims)["FIRST_OUTAGE_BACKOFF_S"] = 1
    leases.HEARTBEAT_S, leases.LOST_AFTER_S = 2.0, 5.0
    loops.REAP_EVERY_S = 1.0
    _announce_again_after(12)


def run() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--failpoint", action="append", default=[], help="NAME:PASSAGE[:stop]")
    parser.add_argument("--without", action="append", default=[], choices=FAULTS, help="a guard to take out")
    parser.add_argument("--clock", type=float, default=0, help="seconds that this process's clock is wrong by")
    parser.add_argument("--deliveries", type=int, default=1, help="how often each message is published")
    parser.add_argument("--announced", type=int, default=0, help="seconds until a message is published again")
    parser.add_argument("--haste", action="store_true", help="take a fifth of the usual times")
    parser.add_argument("role", nargs="+")
    options = parser.parse_args()
    if options.haste:
        _hasten()
    if options.clock:
        _set_clock(options.clock)
    if options.deliveries > 1:
        _publish_often(options.deliveries)
    if options.announced:
        _announce_again_after(options.announced)
    for fault in options.without:
        FAULTS[fault]()
    Failpoints(*options.failpoint).install()
    sys.argv = ["video2mp3", *options.role]
    main()


if __name__ == "__main__":
    run()
