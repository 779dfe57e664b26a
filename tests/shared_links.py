"""What the links to a job's result look like."""

import base64


def mp3_link_start(job_id: str) -> str:
    """The beginning of the path of each link to the job's result: its token begins with the job's id."""
    return "/v1/shared/" + base64.urlsafe_b64encode(bytes.fromhex(job_id)).decode()[:21]
