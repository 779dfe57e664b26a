"""Sends the letters that account holders have asked for: to reset a password, to verify an e-mail address."""

import threading
from typing import Literal

import structlog

from video2mp3.accounts import letters
from video2mp3.accounts.letters import Due
from video2mp3.database.connection import Database
from video2mp3.errors import MailRefused, Unavailable
from video2mp3.notify.letters import compose_account_letter
from video2mp3.notify.mail import Mailer, address_of
from video2mp3.supervision import Loop
from video2mp3.telemetry import metrics

log = structlog.get_logger()

_LOOK_EVERY_S = 1.0
_STALL_AFTER_S = 120.0
_Outcome = Literal["sent", "postponed", "given_up"]


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
        # A mail server may answer each of several commands only just in time.
        with self.busy(letters.LEASE_S):
            outcome = self._send_or_give_up(due)
        metrics.ACCOUNT_LETTERS.labels(outcome).inc()
        with self._database.write() as session:
            (letters.try_again if outcome == "postponed" else letters.mark_sent)(session, due)
        return True

    def _send_or_give_up(self, due: Due) -> _Outcome:
        """Does as `_send`; whatever else goes wrong ends this letter alone."""
        try:
            return self._send(due)
        except Exception:
            log.exception("letter_failed", letter_id=due.letter_id, kind=due.kind)
            return "given_up"

    def _send(self, due: Due) -> _Outcome:
        # The one message that goes to an address before it is verified asks for that, and holds no text of a user's.
        address = due.user.email if due.kind == "verify" else address_of(due.user)
        if address is None:
            log.info("letter_without_address", letter_id=due.letter_id, kind=due.kind)
            return "given_up"
        url = self._public_url + letters.path(due.kind, due.token)
        # Each attempt is a letter of its own: its token is another, and mail programs pass over what they have seen.
        message_id = f"{due.letter_id}-{due.attempt}"
        try:
            self._mailer.send(compose_account_letter(due.kind, due.user.username, address, url, message_id))
        except MailRefused as error:
            log.warning("letter_refused", letter_id=due.letter_id, kind=due.kind, detail=error.detail)
            return "given_up"
        except Unavailable as error:
            log.warning("letter_postponed", letter_id=due.letter_id, kind=due.kind, detail=error.detail)
            return "postponed"
        log.info("letter_sent", letter_id=due.letter_id, kind=due.kind)
        return "sent"
