"""Which email addresses are taken: those that a message can be sent to as they are."""

import re
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import getaddresses

_EMAIL = re.compile(r"[^\s@<>()\[\],;:\"\\]{1,64}@[^\s@<>()\[\],;:\"\\]{1,189}")


def is_email(text: str) -> bool:
    """Returns whether an email can be sent to the address (RFC 5321, without quoted local parts)."""
    # An encoded word (RFC 2047) is decoded in a header and may then be a line end, or another address.
    looks_like_one = _EMAIL.fullmatch(text) is not None and text.isprintable() and "=?" not in text
    return looks_like_one and _stands_in_a_header_as_it_is(text)


def _stands_in_a_header_as_it_is(address: str) -> bool:
    """Composes a message to the address, as the mailer does: an address that the parser cannot read is not stored."""
    message = EmailMessage(policy=SMTP if address.isascii() else SMTPUTF8)
    try:
        message["To"] = address
        written = message.as_bytes()
    except Exception:  # the parser raises ValueError, IndexError and others, by version
        return False
    # `getaddresses` is what smtplib finds the recipients with.
    is_recipient = getaddresses([str(message["To"])]) == [("", address)]
    return is_recipient and written == b"To: " + address.encode() + b"\r\n\r\n"
