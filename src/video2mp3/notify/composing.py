"""What is written in an email (RFC 5322): the same words as plain text and as HTML."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import localtime
from html import escape
from typing import Literal

from video2mp3.database.clock import SECOND
from video2mp3.database.tables import Job
from video2mp3.jobs.results import segments_of
from video2mp3.notify.addresses import with_ascii_domain

_MAX_NAME_LENGTH = 100
_UNFOLDED = ("list-unsubscribe", "message-id")


class _Policy(EmailPolicy):
    """Writes messages that every server can relay: headers with a URL or an id on one line, and bodies in 7 bits.

    Python's own policy folds headers at 78 characters, and a URL that is longer becomes an encoded word (RFC 2047):
    mail programs, which read it byte by byte, find no URL then.
    """

    def fold(self, name: str, value: str) -> str:
        """Writes a header; the ones with a URL or an id are not folded (RFC 5322 allows 998 characters)."""
        if name.lower() in _UNFOLDED:
            return f"{name}: {value}{self.linesep}"
        return str(super().fold(name, value))

    def fold_binary(self, name: str, value: str) -> bytes:
        """Does as `fold`, for the bytes that are sent."""
        return self.fold(name, value).encode("utf-8" if self.utf8 else "ascii", "surrogateescape")


_POLICY = _Policy(linesep="\r\n", cte_type="7bit")


@dataclass(frozen=True)
class Links:
    """Where the links in an email lead."""

    result: str
    """To the MP3; needs no sign-in."""
    conversion: str
    unsubscribe: str
    """Ends the emails; needs no sign-in."""


@dataclass(frozen=True)
class _Content:
    subject: str
    paragraphs: Sequence[str]
    link: str
    label: str
    """What the link is called, where links have names."""
    note: str = ""


def compose(job: Job, address: str, links: Links, message_id: str) -> EmailMessage:
    """Writes the email about an ended job.

    `message_id` (`Mailer.message_id`) is the same for each attempt: a double can be recognized.
    """
    name = _one_line(job.source_name)
    content = _finished(job, name, links) if job.state == "finished" else _failed(job, name, links)
    message = _message(content, address, message_id, links.unsubscribe)
    # RFC 2369 and RFC 8058: mail programs show a button that needs no page.
    message["List-Unsubscribe"] = f"<{links.unsubscribe}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return message


def compose_account_email(
    kind: Literal["reset", "verify"], username: str, address: str, url: str, message_id: str
) -> EmailMessage:
    """Writes an email with a one-time token, which is in `url`."""
    content = _reset(username, url) if kind == "reset" else _verify(url)
    return _message(content, address, message_id)


def _message(content: _Content, address: str, message_id: str, unsubscribe: str | None = None) -> EmailMessage:
    message = EmailMessage(policy=_POLICY)
    message["To"] = with_ascii_domain(address)
    message["Message-ID"] = f"<{message_id}>"
    message["Date"] = localtime()
    message["Auto-Submitted"] = "auto-generated"
    # Exchange reads this in place of Auto-Submitted: without it, absent people send notes of their absence.
    message["X-Auto-Response-Suppress"] = "All"
    # A file name with an encoded word (RFC 2047) in it: it would be decoded, and its line ends begin new headers.
    message["Subject"] = content.subject.replace("=?", "= ?")
    message.set_content(_text(content, unsubscribe))
    message.add_alternative(_html(content, unsubscribe), subtype="html")
    return message


def _reset(username: str, url: str) -> _Content:
    sentence = f"somebody has asked for a new password for the account {_one_line(username)}. Choose one here:"
    note = "The link is valid for an hour, once. If it was not you, do nothing: your password stays as it is."
    return _Content("A new password", ["Hello,", sentence], url, "Choose a password", note)


def _verify(url: str) -> _Content:
    # Without the account's name: anybody could write to anybody by it.
    sentence = "this address was given for an account here. Open the link to show that emails to it arrive:"
    note = "The link is valid for a day, once. If it was not you, do nothing."
    return _Content("Is this your address?", ["Hello,", sentence], url, "Yes, it is mine", note)


def _finished(job: Job, name: str, links: Links) -> _Content:
    ready = f"our {_ready(job, name)}"
    note = ""
    if job.expires_at is not None:
        until = datetime.fromtimestamp(job.expires_at // SECOND, UTC)
        note = f"It can be fetched until {until:%Y-%m-%d %H:%M} UTC by anyone who has the link."
    sentence = f"y{ready}" + (", in a ZIP:" if segments_of(job) else ":")
    return _Content(f"Y{ready}", ["Hello,", sentence], links.result, "Download", note)


def _ready(job: Job, name: str) -> str:
    number = len(segments_of(job))
    return f"{number} MP3s of {name} are ready" if number > 1 else f"MP3 of {name} is ready"


def _failed(job: Job, name: str, links: Links) -> _Content:
    reason = _one_line(job.error_detail or "", max_length=1000)
    sentence = f"{name} could not be converted. {reason}"
    return _Content(f"{name} could not be converted", ["Hello,", sentence], links.conversion, "Details")


def _text(content: _Content, unsubscribe: str | None) -> str:
    last = f"No more emails like this: {unsubscribe}" if unsubscribe else ""
    parts = [*content.paragraphs, content.link, content.note, last]
    return "\n\n".join(part for part in parts if part) + "\n"


def _html(content: _Content, unsubscribe: str | None) -> str:
    last = f'<p style="font-size: small"><a href="{escape(unsubscribe or "")}">No more emails like this</a></p>'
    paragraphs = [f"<p>{escape(text)}</p>" for text in content.paragraphs]
    note = [f"<p>{escape(content.note)}</p>"] if content.note else []
    return "\n".join(
        (
            '<!doctype html><html lang="en"><meta charset="utf-8"><body style="font-family: sans-serif">',
            *paragraphs,
            f'<p><a href="{escape(content.link)}">{content.label}</a></p>',
            *note,
            *([last] if unsubscribe else []),
            "</body></html>\n",
        )
    )


def _one_line(text: str, max_length: int = _MAX_NAME_LENGTH) -> str:
    """Text from outside as one line without control characters: a line end would begin a new header."""
    kept = "".join(" " if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") else c for c in text)
    line = " ".join(kept.split())
    return line if len(line) <= max_length else line[: max_length - 1] + "…"
