"""The spread service on real servers, with a proxy in front of each server for each process."""

import asyncio
import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aio_pika
import httpx
from sqlalchemy import text, update
from sqlalchemy.engine import make_url

from tests.acceptance.service import Role, Service, backends_env, base_env, mail_env
from tests.chaos import audit
from tests.chaos.proxy import Proxy, ProxyNetwork
from tests.servers import Bucket, MariaDBServer, RabbitMQServer, S3Server, SMTPServer, free_port, wait_until
from video2mp3.database import migrate
from video2mp3.database.clock import now
from video2mp3.database.connection import Database
from video2mp3.database.tables import User
from video2mp3.jobs import messages
from video2mp3.queue import VIDEO_QUEUE
from video2mp3.storage import Storage
from video2mp3.storage.disk import DiskStorage

ROOT = Path(__file__).parents[2]
_UNENDED = "SELECT COUNT(*) FROM jobs WHERE state NOT IN ('finished', 'failed', 'canceled')"
_UNSENT = "SELECT COUNT(*) FROM notifications WHERE state NOT IN ('sent', 'failed')"


@dataclass(frozen=True)
class Links:
    """What one process reaches its servers through."""

    database: Proxy
    queue: Proxy
    storage: Proxy

    def all(self) -> tuple[Proxy, Proxy, Proxy]:
        return self.database, self.queue, self.storage


@dataclass(frozen=True)
class Servers:
    """The servers that a cluster runs on."""

    mariadb: MariaDBServer
    rabbitmq: RabbitMQServer
    s3: S3Server
    smtp: SMTPServer


@dataclass
class Cluster:
    """A running service. `database` and `storage` reach the servers directly, past all proxies."""

    service: Service
    servers: Servers
    bucket: Bucket
    special: dict[str, str]
    """Settings that win."""
    database: Database
    storage: Storage
    network: ProxyNetwork
    in_haste: bool
    """All processes take a fraction of the usual times (see `program`)."""
    links: dict[str, Links] = field(default_factory=dict)
    options: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """What each process's program is told (see `program`)."""

    # -- Processes --------------------------------------------------------------------------------

    def start(self, name: str, *options: str, wait: bool = True) -> Role:
        """Starts `api-N`, `worker-N` or `notifier-N`, or starts it again; `options` are the program's (see there)."""
        links = self.links.get(name) or self._new_links(name)
        kind = name.partition("-")[0]
        arguments = ["--slots", "1"] if kind == "worker" else ["--port", self._port(name)] if kind == "api" else []
        self.options[name] = options
        haste = ["--haste"] if self.in_haste else []
        role = Role(
            self.service.folder,
            name,
            [*haste, *options, "--", kind, *arguments],
            self.service.env | self._env(links) | self.special,
            "tests.chaos.program",
        )
        self.service.roles[name] = role
        if wait:
            self.wait_until_ready(name)
        return role

    def _port(self, name: str) -> str:
        """An API process keeps its port, as behind a load balancer."""
        number = int(name.partition("-")[2])
        while len(self.service.urls) < number:
            self.service.urls.append(f"http://127.0.0.1:{free_port()}")
        return self.service.urls[number - 1].rpartition(":")[2]

    def _new_links(self, name: str) -> Links:
        database = make_url(self.service.env["VIDEO2MP3_DATABASE_URL"]).port
        assert database is not None
        ports = (database, self.servers.rabbitmq.port, self.servers.s3.port)
        links = self.links[name] = Links(*(self.network.proxy(port) for port in ports))
        return links

    def _env(self, links: Links) -> dict[str, str]:
        database = make_url(self.service.env["VIDEO2MP3_DATABASE_URL"]).set(port=links.database.port)
        return backends_env(
            database.render_as_string(hide_password=False),
            f"amqp://guest:guest@127.0.0.1:{links.queue.port}/",
            Bucket(**{**vars(self.bucket), "endpoint_url": f"http://127.0.0.1:{links.storage.port}"}),
        )

    def is_ready(self, name: str) -> bool:
        """Tells whether a process has said that it takes work; fails with its log when it ended by itself."""
        role = self.service.roles[name]
        if re.search("ready|listens on", role.output.read_text()):
            return role.process.poll() is None
        status = role.process.poll()
        assert status is None or status < 0, f"{name} ended with {status}: {role.log.read_text()[-3000:]}"
        return False

    def wait_until_ready(self, *names: str) -> None:
        for name in names:
            wait_until(lambda name=name: self.is_ready(name), 90, f"{name} to start")  # type: ignore[misc]

    def names(self, kind: str = "") -> list[str]:
        """The processes of a kind."""
        return [name for name in self.service.roles if name.startswith(kind)]

    def kill(self, name: str) -> None:
        """`kill -9`."""
        self.service.roles[name].kill()

    def restart(self, name: str, *, wait: bool = True) -> None:
        """Starts a process again that has ended, with the same options."""
        self.start(name, *self.options[name], wait=wait)

    def pick(self, kind: str) -> str:
        """A random process of that kind that is ready; waits until there is one."""

        def ready() -> list[str]:
            return [name for name in self.names(kind) if self.is_ready(name)]

        return random.choice(wait_until(ready, 90, f"a {kind} to be ready"))

    def worker_id(self, name: str) -> str:
        """The id by which the rows know the worker that runs under this name now."""
        return str(self.log_events(name, "worker_started")[-1]["worker_id"])

    def log_events(self, name: str, event: str) -> list[dict[str, Any]]:
        """The lines that a process has logged about an event."""
        lines = self.service.roles[name].log.read_text().splitlines(keepends=True)
        # The last one may not be written to its end yet, and a killed process has never ended its own.
        whole = [line for line in lines if f'"event": "{event}"' in line and line.endswith("}\n")]
        return [json.loads(line) for line in whole]

    # -- The state of things ----------------------------------------------------------------------

    def query(self, statement: str, **parameters: object) -> list[Any]:
        """Asks the database."""
        with self.database.read() as session:
            return list(session.execute(text(statement), parameters).all())

    def number(self, statement: str, **parameters: object) -> int:
        """Asks the database for one number."""
        return int(self.query(statement, **parameters)[0][0])

    def execute(self, statement: str, **parameters: object) -> None:
        """Changes something behind the service's back."""
        with self.database.write() as session:
            session.execute(text(statement), parameters)

    def unended(self) -> int:
        """How many jobs have not ended."""
        return self.number(_UNENDED)

    def settles(self, timeout_s: float) -> bool:
        """Waits until all jobs have ended and all notifications are sent; False when that did not come."""
        try:
            wait_until(lambda: self.unended() == 0 and self.number(_UNSENT) == 0, timeout_s, "all jobs to end")
        except AssertionError:
            return False
        return True

    def publish(self, queue: str, *bodies: bytes) -> None:
        """Puts messages into the broker, past all relays."""
        asyncio.run(self._publish(queue, bodies))

    async def _publish(self, queue: str, bodies: Sequence[bytes]) -> None:
        connection = await aio_pika.connect(self.servers.rabbitmq.url)
        async with connection, connection.channel() as channel:
            for body in bodies:
                await channel.default_exchange.publish(aio_pika.Message(body), routing_key=queue)

    def announce_again(self, job_id: str) -> None:
        """Puts one more message that names the job into the broker."""
        self.publish(VIDEO_QUEUE, messages.make(job_id, video_fid=None, mp3_fid=None, username="somebody"))

    def purge(self, queue: str) -> None:
        """Lets the broker forget the messages of a queue."""
        asyncio.run(self._purge(queue))

    async def _purge(self, queue: str) -> None:
        connection = await aio_pika.connect(self.servers.rabbitmq.url)
        async with connection, connection.channel() as channel:
            await (await channel.declare_queue(queue, passive=True)).purge()

    def depth(self, queue: str) -> int:
        """How many messages wait in a queue."""
        return asyncio.run(self._depth(queue))

    async def _depth(self, queue: str) -> int:
        connection = await aio_pika.connect(self.servers.rabbitmq.url)
        async with connection, connection.channel() as channel:
            declared = await channel.declare_queue(queue, passive=True)
            return declared.declaration_result.message_count or 0

    @contextmanager
    def client(self, url: str | None = None) -> Iterator[httpx.Client]:
        """A client that is signed in as a new user, with a verified address.

        That is written into the row: a message that asks for it would pass through the notifiers' places to die.
        """
        name = f"user{random.getrandbits(48):x}"
        with self.service.user(name, url=url) as client:
            with self.database.write() as session:
                address = {"email": f"{name}@example.org", "email_verified_at": now()}
                session.execute(update(User).where(User.username == name).values(**address))
            yield client


@contextmanager
def running(
    folder: Path,
    servers: Servers,
    *,
    apis: int = 2,
    workers: int = 3,
    notifiers: int = 1,
    options: tuple[str, ...] = (),
    env: Mapping[str, str] | None = None,
    in_haste: bool = False,
) -> Iterator[Cluster]:
    """Runs a cluster, each process with these options of the program, and with settings in `env` that win."""
    servers.rabbitmq.clear()
    bucket = servers.s3.new_bucket()
    settings = backends_env(servers.mariadb.new_database(), servers.rabbitmq.url, bucket)
    # Long scenarios, and a machine that is busy: one sign-in has to do.
    special = {"VIDEO2MP3_ACCESS_TOKEN_LIFETIME_S": "86400", "PYTHONPATH": str(ROOT), **(env or {})}
    all_env = base_env(folder) | mail_env(servers.smtp) | settings | special
    with ExitStack() as stack:
        network = ProxyNetwork()
        stack.callback(network.close)
        database = Database(settings["VIDEO2MP3_DATABASE_URL"])
        stack.callback(database.close)
        migrate.upgrade(database)
        audit.install(database)
        service = Service(folder, all_env, servers.smtp)
        disk = urlsplit(special.get("VIDEO2MP3_STORAGE_URL", "")).path
        cluster = Cluster(
            service,
            servers,
            bucket,
            special,
            database,
            DiskStorage(Path(disk)) if disk else bucket.open(folder / "scratch"),
            network,
            in_haste,
        )
        stack.callback(service.kill)
        names = [f"{kind}-{n + 1}" for kind, count in _counts(apis, workers, notifiers) for n in range(count)]
        for name in names:
            cluster.start(name, *options, wait=False)
        cluster.wait_until_ready(*names)
        yield cluster


def _counts(apis: int, workers: int, notifiers: int) -> tuple[tuple[str, int], ...]:
    return ("api", apis), ("worker", workers), ("notifier", notifiers)
