"""Sends the letters that account holders have asked for: to reset a password, to verify an e-mail address."""

import threading

import structlog

from video2mp3.accounts import letters
from video2mp3.accounts.letters import Due
from video2mp3.database.connection import Database
from video2mp3.errors import MailRefused, Unavailable
from video2mp3.notify.letters import compose_account_letter
from video2mp3.notify.mail import Mailer, address_of
from video2mp3.supervision import Loop

log = structlog.get_logger()

_LOOK_EVERY_S = 1.0
# Longer than a mail server may take.
_STALL_AFTER_S = 120.0


class AccountLetters(Loop):
    """Sends what is due, one after the other, until `stopping` is set. Any number of processes may do so at once."""

    def __init__(self, database: Database, mailer: Mailer, public_url: str, stopping: threading.Event) -> None:
        """Prepares the loop; `public_url` is how users reach the service, without a slash at the end."""
        super().__init__(
            "account-letters",
            self._send_due,
            every_s=_LOOK_EVERY_S,
            stall_after_s=_STALL_AFTER_S,
            stopping=stopping,
        )
        self._database = database
        self._mailer = mailer
        self._public_url = public_url

    def _send_due(self) -> None:
        while not self._stopping.is_set() and self._send_next():
            self.feed()

    def _send_next(self) -> bool:
        with self._database.write() as session:
            due = letters.claim(session)
        if due is None:
            return False
        is_over = self._send(due)
        with self._database.write() as session:
            (letters.mark_sent if is_over else letters.try_again)(session, due)
        return True

    def _send(self, due: Due) -> bool:
        """Sends a letter; False when that has to be tried again."""
        # The one message that goes to an address before it is verified asks for that, and holds no text of a user's.
        address = due.user.email if due.kind == "verify" else address_of(due.user)
        if address is None:
            log.info("letter_without_address", letter_id=due.letter_id, kind=due.kind)
            return True
        url = self._public_url + letters.path(due.kind, due.token)
        # Each attempt is a letter of its own: its token is another, and mail programs pass over what they have seen.
        message_id = f"{due.letter_id}-{due.attempt}"
        try:
            self._mailer.send(compose_account_letter(due.kind, due.user.username, address, url, message_id))
        except MailRefused as error:
            log.warning("letter_refused", letter_id=due.letter_id, kind=due.kind, detail=error.detail)
        except Unavailable as error:
            log.warning("letter_postponed", letter_id=due.letter_id, kind=due.kind, detail=error.detail)
            return False
        else:
            log.info("letter_sent", letter_id=due.letter_id, kind=due.kind)
        return True
