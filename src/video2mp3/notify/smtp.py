"""Mail: to whom, and how it is sent (RFC 5321)."""

import smtplib
import ssl
from contextlib import suppress
from email.message import EmailMessage
from typing import Literal

from video2mp3.database.tables import User
from video2mp3.errors import EmailRejected, EmailUnavailable


def address_of(user: User) -> str | None:
    """Returns the user's email address; None where there is none, or nobody has shown that it is the user's."""
    return user.email if user.email_verified_at is not None else None


class Mailer:
    """Sends emails through one server."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        security: Literal["starttls", "tls", "none"],
        username: str,
        password: str,
        sender: str,
        timeout_s: float = 20,
    ) -> None:
        """Connects only to send.

        Args:
            host: The mail server.
            port: Its port.
            security: STARTTLS after a greeting in plain text, TLS from the start, or none.
            username: Empty: no sign-in.
            password: Used with a username only.
            sender: The address that emails come from.
            timeout_s: Longest wait for one answer of the server.
        """
        self._host = host
        self._port = port
        self._security = security
        self._username = username
        self._password = password
        self._sender = sender
        self._timeout_s = timeout_s

    def send(self, message: EmailMessage) -> None:
        """Sends one email; returns when the server has taken it.

        Raises:
            EmailRejected: when the server will never take it.
            EmailUnavailable: when another attempt may help.
        """
        message["From"] = self._sender
        try:
            server = self._connect()
            try:
                self._hand_over(server, message)
            finally:
                _leave(server)
        except (OSError, smtplib.SMTPException) as error:
            raise EmailUnavailable(f"The mail server did not take the email: {error}") from error

    def _connect(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self._security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(self._host, self._port, timeout=self._timeout_s, context=context)
        else:
            server = smtplib.SMTP(self._host, self._port, timeout=self._timeout_s)
        try:
            if self._security == "starttls":
                server.starttls(context=context)
            if self._username:
                server.login(self._username, self._password)
        except BaseException:
            server.close()
            raise
        return server

    def _hand_over(self, server: smtplib.SMTP, message: EmailMessage) -> None:
        try:
            server.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            # 4xx: greylisting, a full mailbox; 5xx: there is no such mailbox.
            if all(code >= 500 for code, _ in error.recipients.values()):
                raise EmailRejected from error
            raise
        except smtplib.SMTPDataError as error:
            if error.smtp_code >= 500:
                raise EmailRejected from error
            raise
        except smtplib.SMTPNotSupportedError as error:
            # An address that is not ASCII, and a server that takes no other.
            raise EmailRejected from error


def _leave(server: smtplib.SMTP) -> None:
    # Whatever goes wrong now: an email that was taken must not be sent again.
    with suppress(OSError, smtplib.SMTPException):
        server.quit()
    server.close()
