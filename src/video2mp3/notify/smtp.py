"""Email: to whom, and how it is sent (RFC 5321)."""

import re
import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from typing import Literal

from video2mp3.database.tables import User
from video2mp3.errors import EmailRejected, EmailUnavailable
from video2mp3.notify.addresses import parse_sender

_MAX_ANSWER_LENGTH = 200
# Enhanced status codes (RFC 3463): the sender's address, its right to send, its login. An operator can mend these.
_ABOUT_SENDER = re.compile(r"5\.(1\.[78]|7\.\d+)\b")
_ENHANCED = re.compile(r"5\.\d+\.\d+\b")
_WORDS_ABOUT_SENDER = re.compile(r"sender|relay|authenticat|not authori[sz]ed|log ?in", re.IGNORECASE)


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
            sender: The address that emails come from, with or without a name.
            timeout_s: Longest wait for one answer of the server.

        Raises:
            ConfigurationError: when no mail server can take the sender.
        """
        self._host = host
        self._port = port
        self._security = security
        self._username = username
        self._password = password
        self._sender = parse_sender(sender)
        self._timeout_s = timeout_s

    def message_id(self, unique: str) -> str:
        """Returns a Message-ID (RFC 5322) with the sender's domain: filters for spam distrust ids without a host."""
        return f"{unique}@{self._sender.domain}"

    def send(self, message: EmailMessage) -> None:
        """Sends one email; returns when the server has taken it.

        Raises:
            EmailRejected: when the server will never take it.
            EmailUnavailable: when another attempt may help.
        """
        message["From"] = self._sender
        with self._session() as server:
            self._hand_over(server, message)

    def check(self) -> str:
        """Connects, signs in and names the sender, as an email would begin; returns what was found, as a sentence.

        Raises:
            EmailUnavailable: saying which of it failed, and what to do.
        """
        with self._session() as server:
            server.ehlo_or_helo_if_needed()
            sender = self._sender.addr_spec
            code, answer = server.mail(sender)
            is_refused = code != 250
            if not is_refused:
                # Postfix and others say only now what they have against a sender, which may have no mailbox there.
                code, answer = server.rcpt(sender)
                is_refused = code >= 500 and not _is_about_recipient(code, answer)
            if is_refused:
                raise smtplib.SMTPSenderRefused(code, answer, sender)
        security = {"starttls": "STARTTLS", "tls": "TLS", "none": "no encryption"}[self._security]
        login = f"signed in as {self._username}" if self._username else "without a login"
        return f"{self._host}:{self._port}, {security}, {login}, takes emails from {self._sender.addr_spec}"

    @contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        try:
            server = self._connect()
            try:
                yield server
            finally:
                _leave(server)
        except (OSError, smtplib.SMTPException) as error:
            raise EmailUnavailable(f"The mail server {self._host}:{self._port} {self._explain(error)}.") from error

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
            # 4xx: greylisting, a full mailbox; 5xx: there is no such mailbox, or something about the sender.
            if all(code >= 500 and _is_about_recipient(code, answer) for code, answer in error.recipients.values()):
                raise EmailRejected from error
            raise
        except smtplib.SMTPDataError as error:
            if error.smtp_code >= 500 and not _ABOUT_SENDER.match(_text(error.smtp_error)):
                raise EmailRejected from error
            raise
        except smtplib.SMTPNotSupportedError as error:
            # An address that is not ASCII, and a server that takes no other.
            raise EmailRejected from error

    def _explain(self, error: OSError | smtplib.SMTPException) -> str:
        """Returns the rest of a sentence about the server: what it did, and what to do."""
        match error:
            case smtplib.SMTPSenderRefused():
                return f"rejects the sender of VIDEO2MP3_SMTP_FROM, {error.sender} ({_answer(error)})"
            case smtplib.SMTPAuthenticationError():
                return f"rejects VIDEO2MP3_SMTP_USERNAME and VIDEO2MP3_SMTP_PASSWORD ({_answer(error)})"
            case smtplib.SMTPNotSupportedError() if "STARTTLS" in str(error):
                return "offers no STARTTLS; set VIDEO2MP3_SMTP_SECURITY to tls, or to none where the network is trusted"
            case smtplib.SMTPNotSupportedError():
                return "offers no login here; leave VIDEO2MP3_SMTP_USERNAME empty, or encrypt the connection"
            case smtplib.SMTPRecipientsRefused():
                code, answer = next(iter(error.recipients.values()))
                return f"does not take the recipient now ({_line(code, answer)})"
            case smtplib.SMTPResponseException():
                return f"answered {_answer(error)}"
            case ssl.SSLCertVerificationError():
                return f"has a certificate that cannot be trusted ({error.verify_message.rstrip('.')})"
            case ssl.SSLError():
                return "does not speak TLS from the start of the connection; set VIDEO2MP3_SMTP_SECURITY to starttls"
            case socket.gaierror():
                return "cannot be found: its name has no address"
            case TimeoutError() | smtplib.SMTPServerDisconnected():
                return "gives no answer; check VIDEO2MP3_SMTP_PORT and VIDEO2MP3_SMTP_SECURITY"
            case _:
                return f"cannot be reached ({getattr(error, 'strerror', None) or error})"


def _answer(error: smtplib.SMTPResponseException) -> str:
    return _line(error.smtp_code, error.smtp_error)


def _line(code: int, answer: bytes | str) -> str:
    """Returns a server's answer as one printable line of bounded length."""
    words = " ".join("".join(c if c.isprintable() else " " for c in f"{code} {_text(answer)}").split())
    return words[:_MAX_ANSWER_LENGTH].rstrip(".")


def _text(answer: bytes | str) -> str:
    return answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer


def _is_about_recipient(code: int, answer: bytes | str) -> bool:
    """Returns whether a refusal of a recipient concerns that recipient alone, not the sender or the connection."""
    text = _text(answer)
    if code < 500 or code == 530:  # now is not the time, or a login is missing (RFC 4954)
        return False
    if _ENHANCED.match(text):
        return not _ABOUT_SENDER.match(text)
    return not _WORDS_ABOUT_SENDER.search(text)


def _leave(server: smtplib.SMTP) -> None:
    # Whatever goes wrong now: an email that was taken must not be sent again.
    with suppress(OSError, smtplib.SMTPException):
        server.quit()
    server.close()
