"""What goes over the wire to a mail server, byte by byte, and what `doctor` finds out about one."""

import ipaddress
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.options import resolved
from tests.servers import free_port
from video2mp3.database.tables import Job
from video2mp3.errors import ConfigurationError, EmailRejected, EmailUnavailable
from video2mp3.notify.composing import Links, compose
from video2mp3.notify.smtp import Mailer

UNSUBSCRIBE = f"https://mp3.example.org/some/prefix/v1/unsubscribe?user={'b' * 32}&signature={'c' * 64}"
LINKS = Links("https://mp3.example.org/v1/shared/aa/mp3", "https://mp3.example.org/v1/conversions/aa", UNSUBSCRIBE)
LOGIN = {"username": "mp3", "password": "correct horse"}


@dataclass
class Server:
    """Takes emails, and keeps what was said to it."""

    sender: str = "250 fine"
    recipient: str = "250 fine"
    port: int = field(default_factory=free_port)
    bodies: list[bytes] = field(default_factory=list)
    envelopes: list[tuple[str, str, list[str]]] = field(default_factory=list)

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return self.sender

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        envelope.rcpt_tos.append(address)
        return self.recipient

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.bodies.append(envelope.content)
        self.envelopes.append((envelope.mail_from, envelope.rcpt_tos[0], envelope.mail_options))
        return "250 taken"

    def mailer(self, **arguments: Any) -> Mailer:
        values: dict[str, Any] = {"security": "none", "username": "", "password": "", "sender": "mp3@example.org"}
        return Mailer(host="127.0.0.1", port=self.port, timeout_s=5, **{**values, **arguments})


@contextmanager
def running(server: Server, **arguments: Any) -> Iterator[Server]:
    controller = Controller(server, hostname="127.0.0.1", port=server.port, **arguments)
    controller.start()
    try:
        yield server
    finally:
        controller.stop()


@pytest.fixture(scope="module")
def old() -> Iterator[Server]:
    """A server without SMTPUTF8, as many are."""
    with running(Server(), enable_SMTPUTF8=False) as server:
        yield server


def send(server: Server, address: str = "anna@example.org", links: Links = LINKS, /, **arguments: Any) -> bytes:
    """Sends an email about a conversion; the bytes that the server got."""
    job = Job(id="a" * 32, source_name="Grüße.mp4", state="finished", options=resolved())
    mailer = server.mailer(**arguments)
    mailer.send(compose(job, address, links, mailer.message_id("a" * 32)))
    return server.bodies[-1]


def header_lines(body: bytes, name: str) -> list[bytes]:
    """The lines of the head that begin with the name."""
    head, _, _ = body.partition(b"\r\n\r\n")
    return [line for line in head.split(b"\r\n") if line.lower().startswith(name.lower().encode() + b":")]


def test_mail_programs_find_the_url_that_ends_the_emails(old: Server) -> None:
    """It should stand on one line as it is (RFC 2369, RFC 8058), however long it is."""
    body = send(old)
    assert header_lines(body, "List-Unsubscribe") == [f"List-Unsubscribe: <{UNSUBSCRIBE}>".encode()]
    assert header_lines(body, "List-Unsubscribe-Post") == [b"List-Unsubscribe-Post: List-Unsubscribe=One-Click"]


# Python folds an id of a domain of the second length.
@pytest.mark.parametrize("domain", [f"{'long.' * 15}example.org", f"{'long.' * 5}example.org"])
def test_the_head_has_what_mail_servers_ask_for(domain: str, old: Server) -> None:
    body = send(old, sender=f"Vidéos <mp3@{domain}>")
    assert header_lines(body, "Auto-Submitted") == [b"Auto-Submitted: auto-generated"]
    assert header_lines(body, "X-Auto-Response-Suppress") == [b"X-Auto-Response-Suppress: All"]
    assert header_lines(body, "Message-ID") == [f"Message-ID: <{'a' * 32}@{domain}>".encode()]
    sent_at = parsedate_to_datetime(header_lines(body, "Date")[0].decode().partition(": ")[2])
    assert abs(datetime.now(UTC) - sent_at) < timedelta(minutes=5)
    sender = message_from_bytes(body, policy=policy.default)["From"].addresses[0]
    assert (sender.display_name, sender.addr_spec) == ("Vidéos", f"mp3@{domain}")


def test_every_line_passes_servers_that_take_seven_bits(old: Server) -> None:
    """It should not depend on 8BITMIME, which nothing asked the server for."""
    for body in (send(old), send(old, "anna@example.org", Links("https://a", "https://b", "https://c"))):
        assert body.isascii()
        assert max(map(len, body.split(b"\r\n"))) <= 998


@pytest.mark.parametrize(
    ("domain", "wire"),
    [("bücher.example", "xn--bcher-kva.example"), ("straße.example", "xn--strae-oqa.example")],
)
def test_a_domain_that_is_not_ascii_is_sent_as_punycode(old: Server, domain: str, wire: str) -> None:
    """It should be the domain of IDNA 2008: `straße` is not `strasse`."""
    body = send(old, f"anna@{domain}", sender=f"mp3@{domain}")
    assert header_lines(body, "To") == [f"To: anna@{wire}".encode()]
    assert old.envelopes[-1][:2] == (f"mp3@{wire}", f"anna@{wire}")


def test_a_mailbox_that_is_not_ascii_needs_smtputf8(old: Server) -> None:
    with pytest.raises(EmailRejected):
        send(old, "grüße@bücher.example")
    with running(Server()) as new:
        body = send(new, "grüße@bücher.example")
        assert header_lines(body, "To") == ["To: grüße@xn--bcher-kva.example".encode()]
        assert header_lines(body, "List-Unsubscribe") == [f"List-Unsubscribe: <{UNSUBSCRIBE}>".encode()]
        assert "SMTPUTF8" in new.envelopes[-1][2]


@pytest.mark.parametrize(
    "sender", ["", "mp3", "mp3@", "a@b.c, d@e.f", "mp3@example.org\r\nBcc: x@y.z", "grüße@example.org", "Name mp3@e.f"]
)
def test_a_sender_that_no_server_takes_is_found_at_the_start(sender: str) -> None:
    with pytest.raises(ConfigurationError, match="VIDEO2MP3_SMTP_FROM"):
        Server().mailer(sender=sender)


def test_a_sender_that_this_server_refuses_loses_no_email() -> None:
    """It should be tried again, and named by the check."""
    with running(Server(sender="553 not your domain")) as server:
        with pytest.raises(EmailUnavailable):
            send(server)
        with pytest.raises(EmailUnavailable, match=r"VIDEO2MP3_SMTP_FROM, mp3@example\.org \(553 not your domain\)"):
            server.mailer().check()


@pytest.mark.parametrize(
    "answer",
    [
        "553 5.7.1 <mp3@example.org>: Sender address rejected: not owned by user mp3",
        "550 5.1.8 <mp3@example.org>: Sender address rejected: Domain not found",
        "530 5.7.0 Authentication required",
        "550 relay not permitted",
    ],
)
def test_a_sender_that_is_refused_with_the_recipient_loses_no_email(answer: str) -> None:
    """It should be told from a mailbox that does not exist: by default, Postfix refuses a sender only then."""
    with running(Server(recipient=answer)) as server:
        with pytest.raises(EmailUnavailable):
            send(server)
        with pytest.raises(EmailUnavailable, match="rejects the sender of VIDEO2MP3_SMTP_FROM"):
            server.mailer().check()


@pytest.mark.parametrize("answer", ["550 5.1.1 <anna@example.org>: Recipient address rejected", "550 no such mailbox"])
def test_a_mailbox_that_does_not_exist_is_no_fault_of_the_sender(answer: str) -> None:
    with running(Server(recipient=answer)) as server:
        with pytest.raises(EmailRejected):
            send(server)
        assert "takes emails from mp3@example.org" in server.mailer().check()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and its certificate for 127.0.0.1, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail")])
    today = datetime.now(UTC)
    host = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    unsigned = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    unsigned = unsigned.serial_number(1).add_extension(host, critical=False)
    unsigned = unsigned.not_valid_before(today - timedelta(days=1)).not_valid_after(today + timedelta(days=1))
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = tmp_path_factory.mktemp("mail") / "certificate.pem"
    file.write_bytes(secret + unsigned.sign(key, hashes.SHA256()).public_bytes(pem))
    return file


@pytest.fixture(scope="module")
def with_login(certificate: Path) -> Iterator[Server]:
    """A server that asks for STARTTLS and a login."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def login(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: object) -> AuthResult:
        right = LoginPassword(LOGIN["username"].encode(), LOGIN["password"].encode())
        return AuthResult(success=given == right, handled=False)

    with running(Server(), tls_context=context, authenticator=login, auth_required=True) as server:
        yield server


def test_a_check_says_what_works(
    with_login: Server, old: Server, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "no encryption, without a login, takes emails from mp3@example.org" in old.mailer().check()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert "STARTTLS, signed in as mp3" in with_login.mailer(security="starttls", **LOGIN).check()
    send(with_login, security="starttls", **LOGIN)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"security": "starttls", "username": "mp3", "password": "wrong"}, "rejects VIDEO2MP3_SMTP_USERNAME and"),
        ({"security": "tls"}, "set VIDEO2MP3_SMTP_SECURITY to starttls"),
        ({"security": "none", **LOGIN}, "offers no login here"),
        ({"security": "starttls"}, "rejects the sender of VIDEO2MP3_SMTP_FROM, mp3@example.org (530"),
    ],
)
def test_a_check_says_what_is_wrong(
    with_login: Server, certificate: Path, monkeypatch: pytest.MonkeyPatch, arguments: dict[str, str], said: str
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with pytest.raises(EmailUnavailable) as raised:
        with_login.mailer(**arguments).check()
    assert said in raised.value.detail


def test_a_check_says_what_is_wrong_with_the_connection(with_login: Server, old: Server) -> None:
    """It should tell a certificate, a missing STARTTLS, a closed port and an unknown name apart."""
    for mailer, said in (
        (with_login.mailer(security="starttls"), "has a certificate that cannot be trusted"),
        (old.mailer(security="starttls"), "offers no STARTTLS"),
        (Server().mailer(), "cannot be reached (Connection refused)"),
    ):
        with pytest.raises(EmailUnavailable) as raised:
            mailer.check()
        assert said in raised.value.detail
