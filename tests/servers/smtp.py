"""A mail server of the tests' own (aiosmtpd)."""

import email
import email.policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller

from tests.servers.programs import free_port, starts_server, wait_until


class SMTPServer:
    """Takes every email; speaks plain SMTP, without sign-in."""

    def __init__(self) -> None:
        starts_server()
        self.host = "127.0.0.1"
        self.messages: list[EmailMessage] = []
        self._seen = 0

    def start(self) -> None:
        """Starts the server on a free port, in a thread."""
        self.port = free_port()
        self._controller = Controller(self, hostname=self.host, port=self.port)
        self._controller.start()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        self.messages.append(message)
        return "250 taken"

    def wait_for_email(self, timeout_s: float = 20) -> EmailMessage:
        """Waits for the next email that this did not return before, and returns it."""
        wait_until(lambda: len(self.messages) > self._seen, timeout_s, "an email")
        self._seen += 1
        return self.messages[self._seen - 1]

    def close(self) -> None:
        """Ends the server."""
        self._controller.stop()
