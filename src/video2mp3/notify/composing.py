"""What is written in a mail (RFC 5322): the same words as plain text and as HTML."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import localtime
from html import escape
from typing import Literal

from video2mp3.database.clock import SECOND
from video2mp3.database.tables import Job
from video2mp3.jobs.results import segments_of

_MAX_NAME_LENGTH = 100


@dataclass(frozen=True)
class Links:
    """Where the links in a mail lead."""

    result: str
    """To the MP3; needs no sign-in."""
    conversion: str
    unsubscribe: str
    """Ends the mails; needs no sign-in."""


@dataclass(frozen=True)
class _Letter:
    subject: str
    paragraphs: Sequence[str]
    link: str
    label: str
    """What the link is called, where links have names."""
    note: str = ""


def compose(job: Job, address: str, links: Links, message_id: str) -> EmailMessage:
    """Writes the mail about an ended job. `message_id` is the same for each attempt: a double can be recognized."""
    name = _one_line(job.source_name)
    letter = _finished(job, name, links) if job.state == "finished" else _failed(job, name, links)
    message = _message(letter, address, message_id, links.unsubscribe)
    # RFC 2369 and RFC 8058: mail programs show a button that needs no page.
    message["List-Unsubscribe"] = f"<{links.unsubscribe}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return message


def compose_account_email(
    kind: Literal["reset", "verify"], username: str, address: str, url: str, message_id: str
) -> EmailMessage:
    """Writes a letter that the holder of an account has asked for; `url` has a one-time token in it."""
    letter = _reset(username, url) if kind == "reset" else _verify(url)
    return _message(letter, address, message_id)


def _message(letter: _Letter, address: str, message_id: str, unsubscribe: str | None = None) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["To"] = address
    message["Message-ID"] = f"<{message_id}@video2mp3>"
    message["Date"] = localtime()
    message["Auto-Submitted"] = "auto-generated"
    # A file name with an encoded word (RFC 2047) in it: it would be decoded, and its line ends begin new headers.
    message["Subject"] = letter.subject.replace("=?", "= ?")
    message.set_content(_text(letter, unsubscribe))
    message.add_alternative(_html(letter, unsubscribe), subtype="html")
    return message


def _reset(username: str, url: str) -> _Letter:
    sentence = f"somebody has asked for a new password for the account {_one_line(username)}. Choose one here:"
    note = "The link is good for an hour, once. If it was not you, do nothing: your password stays as it is."
    return _Letter("A new password", ["Hello,", sentence], url, "Choose a password", note)


def _verify(url: str) -> _Letter:
    # Without the account's name: anybody could write to anybody by it.
    sentence = "this address was given for an account here. Open the link to show that letters to it arrive:"
    note = "The link is good for a day, once. If it was not you, do nothing."
    return _Letter("Is this your address?", ["Hello,", sentence], url, "Yes, it is mine", note)


def _finished(job: Job, name: str, links: Links) -> _Letter:
    ready = f"our {_ready(job, name)}"
    note = ""
    if job.expires_at is not None:
        until = datetime.fromtimestamp(job.expires_at // SECOND, UTC)
        note = f"It can be fetched until {until:%Y-%m-%d %H:%M} UTC. Whoever has the link can do so."
    sentence = f"y{ready}" + (", in a ZIP:" if segments_of(job) else ":")
    return _Letter(f"Y{ready}", ["Hello,", sentence], links.result, "Download", note)


def _ready(job: Job, name: str) -> str:
    number = len(segments_of(job))
    return f"{number} MP3s of {name} are ready" if number > 1 else f"MP3 of {name} is ready"


def _failed(job: Job, name: str, links: Links) -> _Letter:
    reason = _one_line(job.error_detail or "", max_length=1000)
    sentence = f"{name} could not be converted. {reason}"
    return _Letter(f"{name} could not be converted", ["Hello,", sentence], links.conversion, "Details")


def _text(letter: _Letter, unsubscribe: str | None) -> str:
    last = f"No more mails like this: {unsubscribe}" if unsubscribe else ""
    parts = [*letter.paragraphs, letter.link, letter.note, last]
    return "\n\n".join(part for part in parts if part) + "\n"


def _html(letter: _Letter, unsubscribe: str | None) -> str:
    last = f'<p style="font-size: small"><a href="{escape(unsubscribe or "")}">No more mails like this</a></p>'
    paragraphs = [f"<p>{escape(text)}</p>" for text in letter.paragraphs]
    note = [f"<p>{escape(letter.note)}</p>"] if letter.note else []
    return "\n".join(
        (
            '<!doctype html><html lang="en"><meta charset="utf-8"><body style="font-family: sans-serif">',
            *paragraphs,
            f'<p><a href="{escape(letter.link)}">{letter.label}</a></p>',
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
