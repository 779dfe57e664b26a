"""Which connections and event streams are taken, by the number of descriptors that are in use."""

import resource
from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import ip_network

import pytest

from video2mp3.api.conversions.event_streams import EventStreams
from video2mp3.api.server.connections import SILENCE_S, Admission, Connections
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


@pytest.mark.parametrize(
    ("client", "share"),
    [
        ("192.0.2.1", LIMIT // 4),
        ("2001:db8::1", LIMIT // 4),
        (None, LIMIT // 4),
        # A proxy of this machine that nobody has named.
        ("127.0.0.1", LIMIT // 2),
        ("::1", LIMIT // 2),
        ("::ffff:127.0.0.1", LIMIT // 2),
    ],
)
def test_one_client_gets_its_share_of_them(client: str | None, share: int) -> None:
    connections = Connections()
    found = [connections.add(10, client) for _ in range(share + 1)]
    assert found == [Admission.FULL] * share + [Admission.HEALTH]
    assert connections.add(10, "192.0.2.2") is Admission.FULL
    connections.remove(client)
    connections.remove(client)
    assert connections.add(10, client) is Admission.FULL


class Connection:
    """A connection on which no request is under way."""

    def __init__(self) -> None:
        self.is_open = True

    def end_silent(self) -> None:
        self.is_open = False


def test_the_longest_silent_connection_is_ended_before_descriptors_run_out() -> None:
    now_s = 0.0
    connections = Connections(clock=lambda: now_s)
    asking, oldest, older, newest = (Connection() for _ in range(4))
    for connection in (asking, oldest, older):
        connections.begin_silence(connection)
    connections.end_silence(asking)
    now_s = SILENCE_S
    connections.begin_silence(newest)

    def open_now() -> list[bool]:
        return [connection.is_open for connection in (asking, oldest, older, newest)]

    connections.add(LIMIT - LIMIT // 8 - 1, "192.0.2.1")
    assert open_now() == [True] * 4
    for expected in ([True, False, True, True], [True, False, False, True], [True, False, False, True]):
        assert connections.add(LIMIT - 1, "192.0.2.1") is Admission.FULL
        assert open_now() == expected


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
