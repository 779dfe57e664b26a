"""Sends the emails that account holders have asked for: to reset a password, to verify an email address."""

import threading

import structlog

from video2mp3.accounts import one_time_tokens
from video2mp3.accounts.one_time_tokens import ClaimedEmail
from video2mp3.database.connection import Database
from video2mp3.database.retrying import commit_with_retry
from video2mp3.errors import EmailRejected, Unavailable
from video2mp3.notify.composing import compose_account_email
from video2mp3.notify.smtp import Mailer, address_of
from video2mp3.outbox import claims
from video2mp3.outbox.claims import LEASE_S, End
from video2mp3.supervision import Loop
from video2mp3.telemetry import metrics

log = structlog.get_logger()

_LOOK_EVERY_S = 1.0
_STALL_AFTER_S = 120.0


class AccountEmails(Loop):
    """Sends what is due, one after the other, until `stopping` is set. Any number of processes may do so at once."""

    def __init__(self, database: Database, mailer: Mailer, public_url: str, stopping: threading.Event) -> None:
        """Prepares the loop; `public_url` is how users reach the service, without a slash at the end."""
        super().__init__(
            "account-emails", self._send_due, every_s=_LOOK_EVERY_S, stall_after_s=_STALL_AFTER_S, stopping=stopping
        )
        self._database = database
        self._mailer = mailer
        self._public_url = public_url

    def _send_due(self) -> None:
        while not self._stopping.is_set() and self._send_next():
            self.feed()

    def _send_next(self) -> bool:
        with self._database.write() as session:
            claimed = one_time_tokens.claim_email(session)
        if claimed is None:
            return False
        # A mail server may answer each of several commands only just in time.
        with self.busy(LEASE_S):
            how = self._send_or_retry(claimed)
            metrics.ACCOUNT_EMAILS.labels(how).inc()
            commit_with_retry(self._database, lambda session: claims.end(session, claimed, how))
        return True

    def _send_or_retry(self, claimed: ClaimedEmail) -> End:
        """Does as `_send`; whatever else goes wrong is tried again, until the token expires."""
        try:
            return self._send(claimed)
        except Exception:
            log.exception("account_email_failed", token_id=claimed.row_id, kind=claimed.kind)
            return "retried"

    def _send(self, claimed: ClaimedEmail) -> End:
        logged = log.bind(token_id=claimed.row_id, kind=claimed.kind)
        # The one message that goes to an address before it is verified asks for that, and holds no text of a user's.
        address = claimed.user.email if claimed.kind == "verify" else address_of(claimed.user)
        if address is None:
            logged.info("account_email_without_address")
            return "failed"
        url = self._public_url + one_time_tokens.path(claimed.kind, claimed.token)
        # Each attempt is a separate email: its token is another, and mail programs pass over what they have seen.
        message_id = self._mailer.message_id(f"{claimed.row_id}-{claimed.attempt}")
        try:
            self._mailer.send(compose_account_email(claimed.kind, claimed.user.username, address, url, message_id))
        except EmailRejected as error:
            logged.warning("account_email_rejected", detail=error.detail)
            return "failed"
        except Unavailable as error:
            logged.warning("account_email_retried", detail=error.detail)
            return "retried"
        logged.info("account_email_sent")
        return "sent"
