"""HTTP to addresses that users name: what their own networks hold must not be reached through us (SSRF).

`get`, `put` and `post` are all there is, and each asks the `Guard`. A connection goes to an address that was checked
after the name was resolved, once: whatever the name leads to a moment later does not matter.
"""

from video2mp3.outbound.connection import THROUGHPUT_WINDOW_S
from video2mp3.outbound.exchange import Answer, ExchangeContext, Incoming, get, is_transient, put
from video2mp3.outbound.guard import Guard
from video2mp3.outbound.posting import post
from video2mp3.outbound.ranges import RemoteFile
from video2mp3.outbound.urls import Target, host_of, parse, redacted

__all__ = [
    "THROUGHPUT_WINDOW_S",
    "Answer",
    "ExchangeContext",
    "Guard",
    "Incoming",
    "RemoteFile",
    "Target",
    "get",
    "host_of",
    "is_transient",
    "parse",
    "post",
    "put",
    "redacted",
]
