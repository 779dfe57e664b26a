"""Finds the local account that owns the other end of a loopback connection.

Format: https://www.kernel.org/doc/html/latest/networking/proc_net_tcp.html
"""

import ipaddress
import os
import sys
from functools import cached_property
from itertools import islice
from pathlib import Path

Endpoint = tuple[str, int]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

PEER = "peer"
"""The key of a request's `Peer` in `scope["state"]`: one for all requests of a connection."""

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
# Reading them takes 3 to 5 µs a row, once for each connection. With more rows, the peer counts as unknown.
_MAX_ROWS = 10_000
_ESTABLISHED = "01"


class Peer:
    """The other end of one connection; its owner is looked up once."""

    def __init__(self, client: Endpoint | None, server: tuple[str, int | None] | None) -> None:
        """`client` is the other end's address and port, `server` our own."""
        self._client = client
        self._server = server

    @cached_property
    def is_own(self) -> bool:
        """Whether the socket belongs to this process's account or to root; on systems other than Linux always True.

        So it is not another account's, such as that of a proxy. False if the owner is unknown.
        """
        if sys.platform != "linux":
            return True
        if self._client is None or self._server is None or self._server[1] is None:
            return False
        return owner_of(self._client, (self._server[0], self._server[1])) in (0, os.geteuid())


def can_be_known() -> bool:
    """Returns whether the system reveals the owners of local sockets."""
    return sys.platform != "linux" or os.access(_TABLES[0], os.R_OK)


def owner_of(client: Endpoint, server: Endpoint) -> int | None:
    """Returns the user id of the socket on this machine that is connected from `client` to `server`.

    None when there is none, or the socket was closed: the kernel then reports user 0 for it.
    """
    try:
        own, other = _unmapped(client[0]), _unmapped(server[0])
    except ValueError:
        return None
    searches = [(_TABLES[1], _mapped(own), _mapped(other))]
    if own.version == other.version == 4:
        # The other end may have a socket of either kind, whatever this end has.
        searches.insert(0, (_TABLES[0], own, other))
    for table, local, remote in searches:
        ends = f" {_in_hex(local, client[1])} {_in_hex(remote, server[1])} {_ESTABLISHED} "
        uid = _find(table, ends.encode())
        if uid is not None:
            return uid
    return None


def _find(table: Path, row: bytes) -> int | None:
    try:
        with table.open("rb") as rows:
            for line in islice(rows, _MAX_ROWS):
                if row in line:
                    fields = line.split()
                    # Without an inode, no process holds the socket any more.
                    return int(fields[7]) if fields[9] != b"0" else None
    except OSError:
        pass
    return None


def _unmapped(host: str) -> Address:
    address = ipaddress.ip_address(host)
    return getattr(address, "ipv4_mapped", None) or address


def _mapped(address: Address) -> Address:
    return address if address.version == 6 else ipaddress.IPv6Address(f"::ffff:{address}")


def _in_hex(address: Address, port: int) -> str:
    """Writes an address as the tables do: words of four bytes in the machine's own order."""
    packed = address.packed
    words = [int.from_bytes(packed[start : start + 4], sys.byteorder) for start in range(0, len(packed), 4)]
    return f"{''.join(f'{word:08X}' for word in words)}:{port:04X}"
