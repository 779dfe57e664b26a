"""Messages between the parent and its zygote on the control socket: one byte, or a process id.

The parent's side is `parent/zygote_client.py`, the zygote's is `child/zygote.py`.
"""

import struct

REQUEST = b"\0"
RETIRE = b"\1"
"""From the parent to a zygote that was replaced."""
READY = b"\2"
"""From a zygote that has loaded its libraries."""
FORK_REPLY = struct.Struct("<i")
"""The zygote's reply: the id of the new process, with its pidfd."""
MAX_DESCRIPTORS = 3
"""Descriptors per request: the job's socket, the source and the sink."""
