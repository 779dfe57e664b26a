"""Which connections and event streams are taken, by the number of descriptors that are in use."""

import resource
from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import ip_network

import pytest

from video2mp3.api.conversions.event_streams import EventStreams
from video2mp3.api.frame.connections import Admission, Connections
from video2mp3.errors import Overloaded, TooManyEventStreams

DESCRIPTORS = 400
LIMIT = 300


@pytest.fixture(autouse=True)
def few_descriptors() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_last_descriptors_are_for_health_checks() -> None:
    connections = Connections()
    found = [connections.add(descriptor, f"192.0.2.{n}") for n, descriptor in enumerate((299, 300, 349, 350))]
    assert found == [Admission.FULL, Admission.HEALTH, Admission.HEALTH, Admission.NOTHING]


def test_one_client_gets_half_of_them() -> None:
    connections = Connections()
    found = [connections.add(10, "192.0.2.1") for _ in range(LIMIT // 2 + 1)]
    assert found == [Admission.FULL] * (LIMIT // 2) + [Admission.HEALTH]
    assert connections.add(10, "192.0.2.2") is Admission.FULL
    connections.remove("192.0.2.1")
    connections.remove("192.0.2.1")
    assert connections.add(10, "192.0.2.1") is Admission.FULL


def test_a_proxy_speaks_for_many_clients() -> None:
    connections = Connections((ip_network("192.0.2.0/24"),))
    assert {connections.add(10, "192.0.2.1") for _ in range(LIMIT)} == {Admission.FULL}


def test_a_user_s_event_streams_are_bounded() -> None:
    streams = EventStreams(2, 100)
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(streams.one_more("ada"))
        with pytest.raises(TooManyEventStreams):
            stack.enter_context(streams.one_more("ada"))
        stack.enter_context(streams.one_more("bob"))
    with streams.one_more("ada"), streams.one_more("ada"):
        pass


@pytest.mark.parametrize(("total", "expected"), [(3, 3), (10_000, LIMIT // 2)])
def test_all_event_streams_are_bounded(total: int, expected: int) -> None:
    streams = EventStreams(1, total)
    with ExitStack() as stack:
        for number in range(expected):
            stack.enter_context(streams.one_more(f"user-{number}"))
        with pytest.raises(Overloaded):
            stack.enter_context(streams.one_more("one more"))
    with streams.one_more("one more"):
        pass
