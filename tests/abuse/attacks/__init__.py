"""Ten ways in which one account abuses the service; each runs in a process: `python -m tests.abuse.attacks NAME`."""

from collections.abc import AsyncIterator, Callable, Mapping

from tests.abuse.attacks.attacker import Attacker
from tests.abuse.attacks.computing import probes, waveforms
from tests.abuse.attacks.conversions import batches, dripping_sources, puts
from tests.abuse.attacks.uploads import crafted_uploads
from tests.abuse.attacks.waiting import event_streams, one_byte_ranges, silent_webhooks, slow_readers

Attack = Callable[[Attacker], AsyncIterator[None]]
"""Prepares, yields once, and goes on attacking until it is cancelled."""

ATTACKS: Mapping[str, Attack] = {
    "crafted uploads": crafted_uploads,
    "waveforms": waveforms,
    "probes": probes,
    "PUTs": puts,
    "dripping sources": dripping_sources,
    "silent webhooks": silent_webhooks,
    "event streams": event_streams,
    "batches of 100": batches,
    "slow readers": slow_readers,
    "one-byte ranges": one_byte_ranges,
}
"""All of them, by the names that docs/reliability.md gives them."""
