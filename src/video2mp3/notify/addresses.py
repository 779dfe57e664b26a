"""Email addresses as mail servers take them (RFC 5321, IDNA 2008)."""

from email.headerregistry import Address
from email.utils import getaddresses

import idna

from video2mp3.accounts.email_addresses import is_email
from video2mp3.errors import ConfigurationError


def with_ascii_domain(address: str) -> str:
    """Returns the address with its domain as punycode, which every server takes.

    A domain that has no such form stays as it is: only servers with SMTPUTF8 can take it.
    """
    local_part, _, domain = address.rpartition("@")
    if domain.isascii():
        return address
    try:
        return f"{local_part}@{idna.encode(domain, uts46=True).decode()}"
    except idna.IDNAError:
        return address


def parse_sender(text: str) -> Address:
    """Reads the sender of all emails: `user@example.org`, or `Name <user@example.org>`.

    Raises:
        ConfigurationError: when no mail server can take it.
    """
    found = getaddresses([text])
    name, address = found[0] if len(found) == 1 else ("", "")
    address = with_ascii_domain(address)
    if not text.isprintable() or not is_email(address) or not address.isascii():
        raise ConfigurationError(
            "VIDEO2MP3_SMTP_FROM: it is not an email address; write user@example.org or Name <user@example.org>, "
            "with ASCII characters before the @."
        )
    return Address(name, addr_spec=address)
