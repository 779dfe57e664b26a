"""Runs one attack: prints `ready` when it is prepared, and attacks until it is killed, five minutes at most."""

import argparse
import asyncio
import os
import resource
from pathlib import Path

from tests.abuse.attacks import ATTACKS
from tests.abuse.attacks.attacker import Attacker

_DESCRIPTORS = 4096
_LONGEST_S = 300


async def _attack(name: str, attacker: Attacker) -> None:
    async with asyncio.timeout(_LONGEST_S):
        async for _ in ATTACKS[name](attacker):
            print("ready", flush=True)


def _give_way() -> None:
    """The attacker runs on one processor, and what it asks for goes first: what is measured is the service.

    Conversions, which have niceness 10, do not: an attacker has a computer of its own.
    """
    os.setpriority(os.PRIO_PROCESS, 0, 5)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, _DESCRIPTORS)), hard))


def run() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=ATTACKS)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--receiver-port", type=int, required=True)
    parser.add_argument("--token", required=True)
    parser.add_argument("--media", type=Path, required=True)
    parser.add_argument("--size", type=float, required=True)
    options = parser.parse_args()
    attacker = Attacker(options.port, options.token, options.receiver_port, options.media, options.size)
    _give_way()
    asyncio.run(_attack(options.name, attacker))


if __name__ == "__main__":
    run()
