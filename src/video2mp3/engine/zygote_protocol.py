"""What the parent and its zygote say to each other through the control socket: one byte, or a process id.

The parent's side is `parent/zygote_client.py`, the zygote's `child/zygote.py`.
"""

import struct

REQUEST = b"\0"
RETIRE = b"\1"
"""To a zygote that has been replaced."""
READY = b"\2"
"""From a zygote that has loaded the libraries."""
FORK_REPLY = struct.Struct("<i")
"""The zygote's answer: the new process's id, with its pidfd."""
MAX_DESCRIPTORS = 3
"""Of a request: the job's socket, the source and the sink."""
