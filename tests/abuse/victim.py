"""The second user: what it sees of the service while another account abuses it."""

import http.client
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from tests.acceptance.service import PASSWORD
from tests.servers import SMTPServer, wait_until

ANSWER_TIMEOUT_S = 30.0
"""What a request that is not answered counts as."""
JOB_TIMEOUT_S = 60.0
EMAIL_TIMEOUT_S = 60.0
_POLL_S = 0.02
_JSON = {"Content-Type": "application/json"}


class TimedSMTPServer(SMTPServer):
    """Notes when each message has arrived."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived_s: list[float] = []
        """Seconds since 1970, in the order of `messages`."""

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.arrived_s.append(time.time())
        return await super().handle_DATA(server, session, envelope)

    def to(self, address: str) -> list[tuple[float, str]]:
        """When each message to an address has arrived, and its text."""
        pairs = zip(self.arrived_s, list(self.messages), strict=False)
        return [(at_s, _text(message)) for at_s, message in pairs if message["To"] == address]


def _text(message: Any) -> str:
    body = message.get_body(("plain",))
    return str(body.get_content()) if body else ""


@dataclass(frozen=True)
class Sample:
    """Seconds, of one look at the service; None: not measured."""

    me_s: float
    sign_in_s: float
    job_s: float
    email_s: float


class Refused(Exception):
    """The service has answered the second user with an error."""


class Victim:
    """An account with a verified address. Each request comes on a connection of its own, as a new visitor's does."""

    def __init__(self, url: str, smtp: TimedSMTPServer, name: str, clip: bytes) -> None:
        """Creates the account and signs in; `clip` is the video of two seconds."""
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._address = (parts.hostname, parts.port)
        self._smtp = smtp
        self._clip = clip
        self._credentials = {"username": name, "password": PASSWORD}
        self.email = f"{name}@example.com"
        self.ask("POST", "/v1/accounts", self._credentials | {"email": self.email})
        self.token: str = self.ask("POST", "/v1/sessions", self._credentials)["access_token"]

    def verify(self) -> None:
        """Verifies the address with the token that is sent to it."""
        if not self._smtp.to(self.email):
            self.ask("POST", "/v1/email-verifications")
        wait_until(lambda: self._smtp.to(self.email), EMAIL_TIMEOUT_S, "the message with the token")
        _, text = self._smtp.to(self.email)[-1]
        found = re.search(r"/verify/([\w-]+)", text)
        assert found is not None, text
        self.ask("POST", "/v1/email-verifications/confirm", {"token": found[1]})

    def measure(self, requests: int, sign_ins: int) -> Sample:
        """Takes one look; the requests come before and after the job. What is not answered counts as its timeout."""
        me = [self._timed(self._me) for _ in range(requests)]
        signing = [self._timed(self._sign_in) for _ in range(sign_ins)]
        job_s, email_s = self._job()
        me += [self._timed(self._me) for _ in range(requests)]
        signing += [self._timed(self._sign_in) for _ in range(sign_ins)]
        # Means: one request that hangs counts.
        return Sample(sum(me) / len(me), sum(signing) / len(signing), job_s, email_s)

    def me_s(self) -> float:
        """Returns how long one `GET /v1/me` takes."""
        return self._timed(self._me)

    def delete_account(self) -> None:
        """Ends the account, with all its conversions."""
        self.ask("DELETE", "/v1/me", {"password": PASSWORD})

    def ask(self, method: str, path: str, message: object = None, body: bytes = b"") -> Any:
        """Returns the JSON of the answer; raises Refused for an error."""
        connection = http.client.HTTPConnection(*self._address, timeout=ANSWER_TIMEOUT_S)
        headers = {"Authorization": f"Bearer {self.token}"} if hasattr(self, "token") else {}
        try:
            if message is not None:
                body, headers = json.dumps(message).encode(), headers | _JSON
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.status >= 400:
            raise Refused(f"{method} {path}: {answer.status} {content.decode(errors='replace')}")
        return json.loads(content) if content else None

    def _me(self) -> None:
        self.ask("GET", "/v1/me")

    def _sign_in(self) -> None:
        self.ask("POST", "/v1/sessions", self._credentials)

    def _timed(self, step: Callable[[], None]) -> float:
        began_s = time.monotonic()
        try:
            step()
        except (OSError, http.client.HTTPException, Refused):
            return ANSWER_TIMEOUT_S
        return time.monotonic() - began_s

    def _job(self) -> tuple[float, float]:
        """Uploads and converts the clip; returns the time until it is finished, and from its end to the email."""
        began_s, emails = time.monotonic(), len(self._smtp.to(self.email))
        try:
            upload = self.ask("POST", "/v1/uploads?name=clip.mp4", body=self._clip)
            job = self.ask("POST", "/v1/conversions", {"upload_id": upload["id"]})
            while job["state"] != "finished":
                assert job["state"] in ("waiting", "queued", "processing"), job
                if time.monotonic() - began_s > JOB_TIMEOUT_S:
                    return JOB_TIMEOUT_S, EMAIL_TIMEOUT_S
                time.sleep(_POLL_S)
                job = self.ask("GET", f"/v1/conversions/{job['id']}")
        except (OSError, http.client.HTTPException, Refused):
            return JOB_TIMEOUT_S, EMAIL_TIMEOUT_S
        job_s = time.monotonic() - began_s
        return job_s, self._email_s(emails, datetime.fromisoformat(job["ended_at"]).timestamp())

    def _email_s(self, before: int, ended_s: float) -> float:
        """Waits for the next email after the first `before`; nothing but the end of a job is told by one."""
        deadline_s = time.monotonic() + EMAIL_TIMEOUT_S
        while True:
            if emails := self._smtp.to(self.email)[before:]:
                return emails[0][0] - ended_s
            if time.monotonic() > deadline_s:
                return EMAIL_TIMEOUT_S
            time.sleep(_POLL_S)
