"""A MariaDB of the tests' own; or a MySQL, where the tests are told to use one (`make test-newest`)."""

import itertools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pymysql

from tests.servers.programs import ServerProcess, free_port, require_program, starts_server
from tests.servers.roots import inside, root_of

_START_TIMEOUT_S = 90
_USER = "video2mp3"
_PASSWORD = "a-secret-of-the-tests"
# The account that the tests use may make databases; the server is reachable on loopback only.
_INIT_SQL = f"""CREATE USER IF NOT EXISTS {_USER}@'%' IDENTIFIED BY '{_PASSWORD}';
GRANT ALL ON *.* TO {_USER}@'%' WITH GRANT OPTION;
"""
# Smaller and quicker than the defaults; nothing here changes what a statement means.
_OPTIONS = (
    "--skip-name-resolve",
    "--bind-address=127.0.0.1",
    "--max-connections=500",
    "--performance-schema=OFF",
    "--innodb-buffer-pool-size=64M",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-fast-shutdown=2",
)


# By the kind of server.
# Nobody reads the tests' data after a power cut, so nothing waits for the disk.
_MARIADB_OPTIONS: tuple[str, ...] = ("--innodb-log-file-size=16M", "--innodb-flush-method=nosync")
_MYSQL_OPTIONS: tuple[str, ...] = ("--innodb-redo-log-capacity=32M", "--mysqlx=OFF", "--skip-log-bin")


class MariaDBServer:
    """A database server with its own data folder and port."""

    def __init__(self, *options: str) -> None:
        """Makes the data folder; `options` are the server's, after those that all tests share."""
        self._more_options = options
        starts_server()  # the data folder alone takes seconds
        # Not pytest's folder: the path of a Unix socket has to be short.
        self._folder = Path(tempfile.mkdtemp(prefix="video2mp3-mariadb-"))
        self._process: ServerProcess | None = None
        self._numbers = itertools.count(1)
        self.port = free_port()
        (self._folder / "init.sql").write_text(_INIT_SQL)
        self._mysql_root = root_of("MYSQL")
        if self._mysql_root is None:
            self._server, self._options = require_program("mariadbd", "mysqld"), _MARIADB_OPTIONS
            install_db = require_program("mariadb-install-db", "mysql_install_db")
            command = [install_db, "--no-defaults", *self._common_options(), *self._options, "--skip-test-db"]
            self._run([*command, "--auth-root-authentication-method=normal"])
        else:
            self._server, self._options = "/usr/sbin/mysqld", _MYSQL_OPTIONS
            self._run([self._server, "--no-defaults", "--initialize-insecure", *self._common_options()])

    def _run(self, command: list[str]) -> None:
        command = inside(self._mysql_root, self._folder, command)
        done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
        assert done.returncode == 0, f"{command[0]} ended with {done.returncode}: {done.stdout}{done.stderr}"

    @property
    def url(self) -> str:
        """A URL of the server without a database."""
        return f"mysql+pymysql://{_USER}:{_PASSWORD}@127.0.0.1:{self.port}/"

    def _common_options(self) -> list[str]:
        # mariadbd refuses to run as root unless told so.
        as_user = ["--user=root"] if os.geteuid() == 0 else []
        # At its start, a server deletes the temporary tables of others that have the same folder for them.
        return [*as_user, f"--datadir={self._folder / 'data'}", f"--tmpdir={self._folder}"]

    def start(self) -> None:
        """Starts the server on its port and waits until it answers."""
        command = [
            self._server,
            "--no-defaults",
            *self._common_options(),
            *_OPTIONS,
            *self._options,
            *self._more_options,
            f"--socket={self._folder / 'socket'}",
            f"--pid-file={self._folder / 'pid'}",
            f"--port={self.port}",
            f"--init-file={self._folder / 'init.sql'}",
        ]
        self._process = ServerProcess(inside(self._mysql_root, self._folder, command), self._folder / "mariadb.log")
        self._process.wait_ready(self._answers, _START_TIMEOUT_S)

    def _answers(self) -> bool:
        try:
            self.execute("SELECT 1")
        except pymysql.Error:
            return False
        return True

    def execute(self, statement: str) -> None:
        """Executes a statement as an administrator."""
        connection = pymysql.connect(host="127.0.0.1", port=self.port, user=_USER, password=_PASSWORD)
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)

    def new_database(self) -> str:
        """Makes an empty database and returns its URL."""
        name = f"test{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        return f"{self.url}{name}"

    def stop(self) -> None:
        """Ends the server in the orderly way."""
        if self._process:
            self._process.stop()

    def kill(self) -> None:
        """Ends the server at once, as `kill -9` does."""
        if self._process:
            self._process.kill()

    def close(self) -> None:
        """Ends the server and deletes the data."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)
