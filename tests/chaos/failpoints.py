"""Named places in the service where a process of the tests kills or stops itself. The product knows nothing of them."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy.orm import Session

from video2mp3.database.connection import Database
from video2mp3.jobs import lifecycle
from video2mp3.jobs.housekeeping.loops import Housekeeping
from video2mp3.notify.loop import NotifierLoop
from video2mp3.notify.smtp import Mailer
from video2mp3.queue.rabbitmq import RabbitMessage, RabbitQueue
from video2mp3.storage.objects import ObjectStorage
from video2mp3.worker.job_runner import JobRunner
from video2mp3.worker.loop import WorkerLoop

WORKER = (
    "before_claim",
    "in_claim",
    "after_claim",
    "before_put",
    "after_put",
    "before_finish",
    "in_finish",
    "after_finish",
    "before_publish",
    "after_publish",
    "before_ack",
    "after_ack",
)
"""Where a worker can die. `in_…`: the statements were executed, and are not committed yet."""
API = ("before_put", "after_put", "in_submit", "after_submit", "before_publish", "after_publish")
"""Where an API process can die."""
NOTIFIER = ("before_claim", "after_claim", "before_send", "after_send", "before_ack", "after_ack")
"""Where a notifier can die."""

_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


class Failpoints:
    """Counts the passages through each place, and sends this process a signal at the one asked for."""

    def __init__(self, *specifications: str) -> None:
        """Each is `name:passage`, or `name:passage:stop` to be stopped (SIGSTOP) instead of killed."""
        self._lock = threading.Lock()
        self._transactions = 0
        self._transaction_ended = threading.Condition()
        self._passages: dict[str, int] = {}
        self._signals: dict[str, signal.Signals] = {}
        for specification in specifications:
            name, passage, action = (*specification.split(":"), "kill")[:3]
            self._passages[name] = int(passage)
            self._signals[name] = _SIGNALS[action]

    def pass_through(self, name: str) -> None:
        """Does nothing, or ends here."""
        with self._lock:
            if name not in self._passages:
                return
            self._passages[name] -= 1
            if self._passages[name] != 0:
                return
        # To this thread: of a signal to the process another thread may learn first, and this one goes on meanwhile.
        thread = threading.get_ident()
        if self._signals[name] == signal.SIGKILL:
            signal.pthread_kill(thread, signal.SIGKILL)
        # A process that stands still would keep the locks of its other threads' transactions.
        with self._transaction_ended:
            self._transaction_ended.wait_for(lambda: self._transactions == 0)
            signal.pthread_kill(thread, self._signals[name])

    def install(self) -> None:
        """Puts the places into the classes and modules of this process."""
        self._count_transactions()
        self._around(WorkerLoop, "_claim", "claim")
        self._around(NotifierLoop, "_claim", "claim")
        self._around(lifecycle, "claim", None, "in_claim")
        self._around(ObjectStorage, "put_file", "put")
        self._around(JobRunner, "_finish", "finish")
        self._around(lifecycle, "finish", None, "in_finish")
        self._around(lifecycle, "submit", None, "in_submit")
        # What is woken for was committed just before.
        self._around(Housekeeping, "wake", None, "after_submit")
        self._around(RabbitQueue, "publish", "publish")
        self._around(RabbitMessage, "ack", "ack")
        self._around(Mailer, "send", "send")

    def _count_transactions(self) -> None:
        original = Database._transaction

        @contextmanager
        def counted(database: Database, options: dict[str, Any]) -> Iterator[Session]:
            with self._transaction_ended:
                self._transactions += 1
            try:
                with original(database, options) as session:
                    yield session
            finally:
                with self._transaction_ended:
                    self._transactions -= 1
                    self._transaction_ended.notify_all()

        Database._transaction = counted  # type: ignore[assignment, method-assign]

    def _around(self, owner: Any, function: str, name: str | None, after: str | None = None) -> None:
        original: Callable[..., Any] = getattr(owner, function)

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if name:
                self.pass_through(f"before_{name}")
            result = original(*args, **kwargs)
            self.pass_through(after or f"after_{name}")
            return result

        setattr(owner, function, wrapped)
