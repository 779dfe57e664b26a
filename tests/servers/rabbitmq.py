"""A RabbitMQ of the tests' own, beside any that the system runs."""

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import aio_pika

from tests.servers.programs import ServerProcess, free_port, missing, require_program
from tests.servers.roots import inside, root_of

# The wrapper in /usr/sbin changes to the user `rabbitmq`; these do not.
_FOLDERS = (Path("/usr/lib/rabbitmq/bin"), Path("/usr/local/lib/rabbitmq/bin"), Path("/opt/rabbitmq/sbin"))
_START_TIMEOUT_S = 90
# One of each kind, which does not look for work when there is none: a start takes 3 s of CPU instead of 4.
_THREADS = "+S 1:1 +SDio 1 +A 1 +sbwt none +sbwtdcpu none +sbwtdio none"
# The broker's own part among its optional plugins.
_OWN_PART = "rabbitmq_prelaunch-"
_CONFIG = """\
listeners.tcp.1 = 127.0.0.1:{port}
disk_free_limit.absolute = 1MB
log.console = true
log.file = false
log.console.level = warning
"""


class RabbitMQServer:
    """A broker with its own data folder, ports and epmd."""

    def __init__(self) -> None:
        self._root = root_of("RABBITMQ")
        self._scripts = _scripts_folder(self._root)
        if self._root is None:
            require_program("erl")
        self._folder = Path(tempfile.mkdtemp(prefix="video2mp3-rabbitmq-"))
        self._process: ServerProcess | None = None
        self._epmd: ServerProcess | None = None
        self._configure()

    def _configure(self) -> None:
        self.port, distribution_port, epmd_port = free_port(), free_port(), free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}/"
        (self._folder / "enabled_plugins").write_text("[].")
        (self._folder / "rabbitmq.conf").write_text(_CONFIG.format(port=self.port))
        self._env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(self._folder),
            "ERL_EPMD_PORT": str(epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"test{self.port}@localhost",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(distribution_port),
            "RABBITMQ_MNESIA_BASE": str(self._folder / "data"),
            "RABBITMQ_LOG_BASE": str(self._folder / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": str(self._folder / "pid"),
            "RABBITMQ_PLUGINS_DIR": str(self._own_plugins()),
            "RABBITMQ_CONFIG_FILE": str(self._folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._folder / "enabled_plugins"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            # The script becomes the server, instead of staying its parent: ending one then ends the other.
            "RABBITMQ_ALLOW_INPUT": "true",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"{_THREADS} -noinput -kernel inet_dist_use_interface {{127,0,0,1}}",
        }

    def _own_plugins(self) -> Path:
        """A folder of what the broker itself needs: it looks for each module in all of its plugins' folders."""
        root = self._root or Path("/")
        home = root / self._scripts.parent.relative_to("/")
        folder = self._folder / "plugins"
        folder.mkdir()
        for installed in (*home.glob("lib/rabbitmq_server-*/plugins/*"), *home.glob("plugins/*")):
            if not installed.name.startswith("rabbitmq_") or installed.name.startswith(_OWN_PART):
                (folder / installed.name).symlink_to("/" / installed.relative_to(root))
        return folder

    def start(self, *, wipe: bool = False) -> None:
        """Starts the broker on its port and waits until it answers; `wipe`: with an empty data folder."""
        if wipe:
            shutil.rmtree(self._folder / "data", ignore_errors=True)
        if self._epmd is None:
            # A child of ours: the one that the broker would start outlives it.
            epmd = "epmd" if self._root else require_program("epmd")
            self._epmd = ServerProcess(self._inside(epmd), self._folder / "epmd.log", self._env)
        log = self._folder / "rabbitmq.log"
        self._process = ServerProcess(self._inside(str(self._scripts / "rabbitmq-server")), log, self._env)
        self._process.wait_ready(self._answers, _START_TIMEOUT_S)

    def _inside(self, *command: str) -> list[str]:
        return inside(self._root, self._folder, command)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                connection.sendall(b"AMQP\x00\x00\x09\x01")
                return connection.recv(1) == b"\x01"
        except OSError:
            return False

    def is_running(self) -> bool:
        """False when it was stopped or killed."""
        return self._process is not None and self._process.is_running()

    def stop(self) -> None:
        """Ends the broker in the orderly way."""
        if self._process:
            self._process.stop()

    def kill(self) -> None:
        """Ends all of the broker's processes at once, as `kill -9` does."""
        if self._process:
            self._process.kill()

    def ctl(self, *arguments: str) -> str:
        """Calls rabbitmqctl (one to two seconds) and returns what it printed."""
        command = self._inside(str(self._scripts / "rabbitmqctl"), "--quiet", *arguments)
        return subprocess.run(command, env=self._env, check=True, capture_output=True, text=True, timeout=60).stdout

    def clear(self) -> None:
        """Deletes video2mp3's queues, with all messages, so that a test begins with an empty broker."""
        asyncio.run(self._clear())

    async def _clear(self) -> None:
        connection = await aio_pika.connect(self.url)
        async with connection, connection.channel() as channel:
            for name in ("video", "mp3", "video.dead", "mp3.dead"):
                await channel.queue_delete(name)

    def close(self) -> None:
        """Ends everything and deletes the data."""
        self.kill()
        if self._epmd:
            self._epmd.kill()
        shutil.rmtree(self._folder, ignore_errors=True)


def _scripts_folder(root: Path | None) -> Path:
    if root is not None:
        return _FOLDERS[0]
    found = next((folder for folder in _FOLDERS if (folder / "rabbitmq-server").exists()), None)
    return found or missing("rabbitmq-server")
