"""Mail: what is written, and how it is sent (RFC 5322, RFC 5321)."""

import re
import smtplib
import ssl
import unicodedata
from contextlib import suppress
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import localtime
from typing import Literal

from video2mp3.database.clock import SECOND
from video2mp3.database.tables import Job, User
from video2mp3.errors import MailRefused, MailUnavailable
from video2mp3.jobs.results import parts_of

_ADDRESS = re.compile(r"[^\s@<>()\[\],;:\"\\]{1,64}@[^\s@<>()\[\],;:\"\\]{1,190}")
_MAX_NAME_LENGTH = 100


def address_of(user: User) -> str | None:
    """Returns the user's e-mail address: the one set, else the username where that is one."""
    for candidate in (user.email, user.username):
        if candidate and _ADDRESS.fullmatch(candidate) and candidate.isprintable():
            return candidate
    return None


def compose(job: Job, address: str, public_url: str, message_id: str) -> EmailMessage:
    """Writes the mail about an ended job. `message_id` is the same for each attempt: a double can be recognized."""
    name = _one_line(job.source_name)
    message = EmailMessage(policy=SMTP)
    message["To"] = address
    message["Message-ID"] = f"<{message_id}@video2mp3>"
    message["Date"] = localtime()
    message["Auto-Submitted"] = "auto-generated"
    if job.state == "finished":
        message["Subject"] = f"Your {_ready(job, name)}"
        message.set_content(_finished_text(job, name, public_url))
    else:
        message["Subject"] = f"{name} could not be converted"
        message.set_content(_failed_text(job, name, public_url))
    return message


def _finished_text(job: Job, name: str, public_url: str) -> str:
    what = f"your {_ready(job, name)}" + (", in a ZIP" if parts_of(job) else "")
    text = f"Hello,\n\n{what}:\n\n{public_url}/v1/conversions/{job.id}/mp3\n"
    if job.expires_at is None:
        return text
    until = datetime.fromtimestamp(job.expires_at // SECOND, UTC)
    return f"{text}\nIt can be fetched until {until:%Y-%m-%d %H:%M} UTC.\n"


def _ready(job: Job, name: str) -> str:
    number = len(parts_of(job))
    return f"{number} MP3s of {name} are ready" if number > 1 else f"MP3 of {name} is ready"


def _failed_text(job: Job, name: str, public_url: str) -> str:
    reason = _one_line(job.error_detail or "", max_length=1000)
    return f"Hello,\n\n{name} could not be converted. {reason}\n\n{public_url}/v1/conversions/{job.id}\n"


def _one_line(text: str, max_length: int = _MAX_NAME_LENGTH) -> str:
    """Text from outside as one line without control characters: a line end would begin a new header."""
    kept = "".join(" " if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") else c for c in text)
    line = " ".join(kept.split())
    return line if len(line) <= max_length else line[: max_length - 1] + "…"


class Mailer:
    """Sends mails through one server."""

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
            sender: The address that mails come from.
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
        """Sends one mail; returns when the server has taken it.

        Raises:
            MailRefused: when the server will never take it.
            MailUnavailable: when another attempt may help.
        """
        message["From"] = self._sender
        try:
            server = self._connect()
            try:
                self._hand_over(server, message)
            finally:
                _leave(server)
        except (OSError, smtplib.SMTPException) as error:
            raise MailUnavailable(f"The mail server did not take the mail: {error}") from error

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
                raise MailRefused from error
            raise
        except smtplib.SMTPDataError as error:
            if error.smtp_code >= 500:
                raise MailRefused from error
            raise
        except smtplib.SMTPNotSupportedError as error:
            # An address that is not ASCII, and a server that takes no other.
            raise MailRefused from error


def _leave(server: smtplib.SMTP) -> None:
    # Whatever goes wrong now: a mail that was taken must not be sent again.
    with suppress(OSError, smtplib.SMTPException):
        server.quit()
    server.close()
