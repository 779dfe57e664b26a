"""The service as its users meet it: real processes, embedded in one or spread over many."""

import itertools
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Protocol

import httpx

from tests.abuse.program import arguments
from tests.acceptance.preloaded import PreloadedProcess, Process, run_text
from tests.databases import new_sqlite
from tests.servers import Bucket, MariaDBServer, RabbitMQServer, S3Server, SMTPServer, wait_until
from tests.servers.programs import starts_server
from video2mp3.database import migrate as migrations
from video2mp3.database.connection import Database

ROOT = Path(__file__).parents[2]
PASSWORD = "correct horse battery"
_START_TIMEOUT_S = 60
_user_numbers = itertools.count(1)


class Role:
    """One `video2mp3` process; its output goes to files in `folder`.

    `module` is the program that is run; `is_cold`: the interpreter is started for it, as it is for users.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        arguments: list[str],
        env: Mapping[str, str],
        module: str = "video2mp3",
        *,
        is_cold: bool = False,
    ) -> None:
        starts_server()
        self.name = name
        self.log = folder / f"{name}.log"
        self.output = folder / f"{name}.out"
        command = [module, *arguments]
        if is_cold:
            self.process = self._started(command, env, folder)
        else:
            self.process = PreloadedProcess(command, env, folder, self.output, self.log)

    def _started(self, command: list[str], env: Mapping[str, str], folder: Path) -> Process:
        with self.log.open("ab") as log, self.output.open("wb") as output:
            return subprocess.Popen([sys.executable, "-m", *command], stdout=output, stderr=log, env=env, cwd=folder)

    def wait_for_output(self, pattern: str) -> re.Match[str]:
        """Waits until the process printed a text that matches; fails with its log when it ends before."""

        def found() -> re.Match[str] | None:
            match = re.search(pattern, self.output.read_text())
            if match is None and self.process.poll() is not None:
                raise AssertionError(
                    f"{self.name} ended with {self.process.returncode}: {self.log.read_text()[-3000:]}"
                )
            return match

        match = wait_until(found, _START_TIMEOUT_S, f"{self.name} to start")
        assert match is not None
        return match

    def kill(self) -> None:
        """Ends the process at once, as `kill -9` does."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Asks the process to end, and waits."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.kill()
                raise


class MailServer(Protocol):
    """What took the service's emails."""

    @property
    def messages(self) -> Sequence[EmailMessage]:
        """The emails so far."""


@dataclass
class Service:
    """A running service: one address for each api process."""

    folder: Path
    env: dict[str, str]
    mail_server: MailServer
    urls: list[str] = field(default_factory=list)
    roles: dict[str, Role] = field(default_factory=dict)
    is_cold: bool = False
    """See `Role`."""

    @property
    def url(self) -> str:
        """The first address."""
        return self.urls[0]

    def start(self, name: str, *arguments: str) -> Role:
        """Starts one more process."""
        role = self.roles[name] = Role(self.folder, name, list(arguments), self.env, is_cold=self.is_cold)
        return role

    def is_whole(self) -> bool:
        """False when a process has ended."""
        return all(role.process.poll() is None for role in self.roles.values())

    def logs(self) -> str:
        """All that every process has logged and printed so far."""
        return "".join(role.log.read_text() + role.output.read_text() for role in self.roles.values())

    @contextmanager
    def user(
        self, name: str | None = None, *, email: str | None = None, url: str | None = None
    ) -> Iterator[httpx.Client]:
        """A client that is signed in as a new user; the address is verified, as its owner would do it."""
        name = name or f"user-{next(_user_numbers)}"
        account = {"username": name, "password": PASSWORD} | ({"email": email} if email else {})
        with httpx.Client(base_url=url or self.url, timeout=60) as client:
            client.post("/v1/accounts", json=account).raise_for_status()
            answer = client.post("/v1/sessions", json={"username": name, "password": PASSWORD}).raise_for_status()
            client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
            if email:
                verify(self, client, email)
            yield client

    def kill(self) -> None:
        """Ends all processes at once. An orderly end would wait for what a test has left; test_shutdown is about it."""
        for role in self.roles.values():
            role.process.kill()
        for role in self.roles.values():
            role.process.wait()


def wait_for_end(client: httpx.Client, job_id: str, timeout_s: float = 60) -> dict[str, object]:
    """Waits until the conversion has ended; returns it."""

    def ended() -> dict[str, object] | None:
        job: dict[str, object] = client.get(f"/v1/conversions/{job_id}").raise_for_status().json()
        return job if job["state"] in ("finished", "failed", "canceled") else None

    job = wait_until(ended, timeout_s, f"conversion {job_id} to end")
    assert job is not None
    return job


def emails_to(service: Service, address: str) -> list[EmailMessage]:
    """The emails to that address so far; the mail server is shared."""
    return [email for email in service.mail_server.messages if email["To"] == address]


def notifications_to(service: Service, address: str) -> list[EmailMessage]:
    """Those of them that are about conversions."""
    return [email for email in emails_to(service, address) if email["List-Unsubscribe"]]


def verify(service: Service, client: httpx.Client, address: str) -> None:
    """Follows the link in the newest message that asks whose address it is."""

    def token() -> str | None:
        bodies = [body for email in emails_to(service, address) if (body := email.get_body(("plain",)))]
        found = [match[1] for body in bodies if (match := re.search(r"/verify/([\w-]+)", body.get_content()))]
        return found[-1] if found else None

    given = wait_until(token, 60, f"the message to {address}")
    client.post("/v1/email-verifications/confirm", json={"token": given}).raise_for_status()


def base_env(folder: Path) -> dict[str, str]:
    """An environment without any setting of the one who runs the tests."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("VIDEO2MP3_", "AWS_"))}
    return env | {"VIDEO2MP3_DATA_DIR": str(folder / "data"), "VIDEO2MP3_LOG_FORMAT": "json", "PYTHONUNBUFFERED": "1"}


@contextmanager
def _killing(service: Service) -> Iterator[Service]:
    with ExitStack() as stack:
        stack.callback(service.kill)
        yield service


def mail_env(smtp: SMTPServer) -> dict[str, str]:
    """The settings that let the service send its emails there."""
    return {
        "VIDEO2MP3_SMTP_HOST": smtp.host,
        "VIDEO2MP3_SMTP_PORT": str(smtp.port),
        "VIDEO2MP3_SMTP_SECURITY": "none",
    }


def backends_env(database_url: str, queue_url: str, bucket: Bucket) -> dict[str, str]:
    """The settings that let the service use these servers."""
    return {
        "VIDEO2MP3_DATABASE_URL": database_url,
        "VIDEO2MP3_QUEUE_URL": queue_url,
        "VIDEO2MP3_STORAGE_URL": bucket.url,
        "VIDEO2MP3_S3_ENDPOINT_URL": bucket.endpoint_url,
        "VIDEO2MP3_S3_REGION": bucket.region,
        "VIDEO2MP3_S3_ACCESS_KEY_ID": bucket.access_key_id,
        "VIDEO2MP3_S3_SECRET_ACCESS_KEY": bucket.secret_access_key,
    }


def migrate(env: Mapping[str, str]) -> None:
    """Makes the tables."""
    if url := env.get("VIDEO2MP3_DATABASE_URL"):
        database = Database(url)
        migrations.upgrade(database)
        database.close()
    else:
        make_tables(env)


def command_line(arguments: Sequence[str], env: Mapping[str, str], stdin: str = "") -> str:
    """Runs `video2mp3`, which has to end well; returns what it prints."""
    result = run_text(arguments, env, Path.cwd(), stdin)
    assert result.returncode == 0, result.stderr
    return result.stdout


def add_administrator(service: "Service", username: str) -> None:
    """Makes the account."""
    command_line(["user", "add", username, "--admin", "--password-stdin"], service.env, PASSWORD)


def make_tables(env: Mapping[str, str]) -> None:
    """Makes the SQLite database that `serve` would make in its data folder, unless there is one, or another is set."""
    path = Path(env["VIDEO2MP3_DATA_DIR"]) / "video2mp3.db"
    if "VIDEO2MP3_DATABASE_URL" not in env and not path.exists():
        new_sqlite(path)


@contextmanager
def embedded(
    folder: Path,
    smtp: SMTPServer,
    env: Mapping[str, str] | None = None,
    *,
    is_cold: bool = False,
    change: Callable[[], None] | None = None,
) -> Iterator[Service]:
    """`video2mp3 serve` with SQLite, memory and disk; `change` is called in it first (see `tests.abuse.program`)."""
    settings = base_env(folder) | mail_env(smtp) | dict(env or {})
    if not is_cold:
        make_tables(settings)
    with _killing(Service(folder, settings, smtp, is_cold=is_cold)) as service:
        if change is None:
            role = service.start("serve", "serve", "--port", "0")
        else:
            command = arguments(["serve", "--port", "0"], change)
            role = Role(folder, "serve", command, settings | {"PYTHONPATH": str(ROOT)}, "tests.abuse.program")
            service.roles["serve"] = role
        service.urls.append(role.wait_for_output(r"listens on (http://\S+)")[1])
        yield service


@contextmanager
def distributed(
    folder: Path,
    smtp: SMTPServer,
    mariadb: MariaDBServer,
    rabbitmq: RabbitMQServer,
    s3: S3Server,
    *,
    apis: int = 2,
    workers: int = 2,
    env: Mapping[str, str] | None = None,
    is_cold: bool = False,
) -> Iterator[Service]:
    """`api`, `worker` and `notifier` as processes of their own on MariaDB, RabbitMQ and S3."""
    rabbitmq.clear()
    settings = backends_env(mariadb.new_database(), rabbitmq.url, s3.new_bucket()) | dict(env or {})
    service = Service(folder, base_env(folder) | mail_env(smtp) | settings, smtp, is_cold=is_cold)
    migrate(service.env)
    with _killing(service):
        for number in range(1, workers + 1):
            service.start(f"worker-{number}", "worker", "--slots", "1")
        service.start("notifier", "notifier")
        for number in range(1, apis + 1):
            service.start(f"api-{number}", "api", "--port", "0")
        for name, role in service.roles.items():
            if name.startswith("api"):
                service.urls.append(role.wait_for_output(r"listens on (http://\S+)")[1])
            else:
                role.wait_for_output("ready")
        yield service
