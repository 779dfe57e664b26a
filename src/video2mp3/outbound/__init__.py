"""HTTP requests to URLs from users, protected against server-side request forgery (SSRF).

The interface is `get`, `put`, `post` and `RemoteFile`; each asks the `Guard`. The name is resolved once, its addresses
are checked, and the connection goes to a checked address. So later DNS changes have no effect.
"""

from video2mp3.outbound.connection import THROUGHPUT_WINDOW_S
from video2mp3.outbound.exchange import Answer, ExchangeContext, Incoming, get, is_transient, put
from video2mp3.outbound.guard import Guard
from video2mp3.outbound.posting import post
from video2mp3.outbound.ranges import RemoteFile
from video2mp3.outbound.urls import host_of, parse, redacted

__all__ = [
    "THROUGHPUT_WINDOW_S",
    "Answer",
    "ExchangeContext",
    "Guard",
    "Incoming",
    "RemoteFile",
    "get",
    "host_of",
    "is_transient",
    "parse",
    "post",
    "put",
    "redacted",
]
