"""The groups of calls, in the order in which a newcomer uses them."""

from collections.abc import Mapping

V0 = "v0"
GROUPS: Mapping[str, str] = {
    "conversions": "Convert a file, follow it, and download the MP3. `PUT /v1/mp3/` does all of it in one call.",
    "uploads": "Send a file once, convert it as often as you like. Large files resume after a dropped connection: "
    "[tus 1.0](https://tus.io/protocols/resumable-upload).",
    "batches": "Up to 100 conversions in one request, with one ZIP of all MP3s.",
    "webhooks": "The service calls a URL of yours when a conversion ends: see *Webhooks* at the end for what it sends.",
    "accounts": "Accounts, sessions and API keys. A service that only its own machine reaches needs none of them.",
    "administration": "For administrators: users, jobs, workers, the queue, the storage and the audit log.",
    "operations": "Health checks, for load balancers and monitoring.",
    V0: "The calls of the sample application that this project grew out of. They stay as they are, for its clients; "
    "new programs use `/v1`.",
}
"""What each group of calls is for, by its tag."""
