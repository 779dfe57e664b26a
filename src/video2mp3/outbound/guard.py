"""The guard: decides whether a URL may be connected to, and at which addresses."""

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from video2mp3.errors import Unreachable, UrlRejected
from video2mp3.outbound.addresses import Address, Network, is_allowed, read_address
from video2mp3.outbound.urls import Target, parse

Resolve = Callable[[str], Sequence[str]]
"""Takes a host and returns its addresses as text; raises OSError when there are none."""


def resolve(host: str) -> Sequence[str]:
    """Asks the system's resolver, which also reads the decimal, octal and hexadecimal forms of addresses."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


@dataclass(frozen=True)
class Guard:
    """Allows connections to public addresses, and to networks and ports that the operator allows."""

    networks: tuple[Network, ...] = ()
    """Allowed although they are not public."""
    ports: frozenset[int] = frozenset({80, 443})
    resolve: Resolve = resolve

    def check(self, url: str) -> Target:
        """Checks all that can be told without asking anybody: for an answer at once, before anything is queued.

        Raises:
            UrlRejected: when the URL will not be connected to, whatever its name leads to.
        """
        target = parse(url)
        self._check_port(target)
        try:
            literal = socket.getaddrinfo(target.host, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        except OSError:
            return target  # a name
        self._check_addresses([str(sockaddr[0]) for *_, sockaddr in literal])
        return target

    def addresses(self, target: Target) -> list[Address]:
        """Returns the addresses to connect to, and to nothing else: a name may lead elsewhere the next time.

        Raises:
            UrlRejected: when the port, or one of the addresses, is not allowed.
            Unreachable: when the name leads nowhere.
        """
        self._check_port(target)
        try:
            found = self.resolve(target.host)
        except (OSError, UnicodeError):
            found = []
        if not found:
            raise Unreachable(f"There is no address for {target.host}.")
        return self._check_addresses(found)

    def _check_port(self, target: Target) -> None:
        if target.port not in self.ports:
            allowed = ", ".join(map(str, sorted(self.ports)))
            raise UrlRejected(
                f"Port {target.port} is not allowed; allowed: {allowed}. The operator can add it "
                "to VIDEO2MP3_ALLOWED_PORTS."
            )

    def _check_addresses(self, found: Sequence[str]) -> list[Address]:
        addresses = [read_address(text) for text in found]
        # One that is refused stands for all: where a name has both, somebody plays with it. Which one is not told, as
        # names of the inside would be resolved for the asking.
        if not all(is_allowed(address, self.networks) for address in addresses):
            raise UrlRejected
        return addresses
