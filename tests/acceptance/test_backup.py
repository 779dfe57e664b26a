"""A backup that is taken under load and restored elsewhere, with the commands of docs/backup.md."""

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.engine import make_url

from tests.acceptance.service import Service, distributed, embedded, wait_for_end
from tests.media import make_video
from tests.servers import Bucket, MariaDBServer, RabbitMQServer, S3Server, SMTPServer, wait_until
from tests.servers.programs import require_program
from video2mp3.database.connection import Database
from video2mp3.database.tables import Job

DOCUMENT = Path(__file__).parents[2] / "docs" / "backup.md"
SETTLED = ("finished", "failed", "canceled")


def commands(section: str, what: str) -> str:
    """The shell commands of the document's section that begin with that comment."""
    text = DOCUMENT.read_text().split(f"## {section}\n")[1].split("\n## ")[0]
    (found,) = (block for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) if block.startswith(f"# {what}"))
    return str(found)


def run_shell(script: str, **env: str) -> None:
    result = subprocess.run(
        ["bash", "-euc", script], env={**os.environ, **env}, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr


MOST_JOBS = 6


class Load:
    """A user who orders one conversion after the other, until told to stop or all are ordered."""

    def __init__(self, client: httpx.Client, video: Path) -> None:
        self.ids: list[str] = []
        self._client = client
        self._video = video.read_bytes()
        self._stopping = Event()
        self._thread = Thread(target=self._run)

    def _run(self) -> None:
        while len(self.ids) < MOST_JOBS and not self._stopping.is_set():
            answer = self._client.post("/v1/conversions", files={"file": ("clip.mp4", self._video)})
            self.ids.append(answer.raise_for_status().json()["id"])
            self._stopping.wait(0.2)

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()


@dataclass(frozen=True)
class Backup:
    """What the copy of the database knows."""

    token: str
    states: Mapping[str, str]

    def require_some_of_each(self) -> None:
        """It was taken under load: something was done, something was not."""
        assert "finished" in self.states.values()
        assert set(self.states.values()) - set(SETTLED)


def read_backup(url: str, client: httpx.Client) -> Backup:
    database = Database(url)
    with database.read() as session:
        states = {job.id: job.state for job in session.scalars(select(Job))}
    database.close()
    return Backup(client.headers["Authorization"], states)


def check_restored(service: Service, backup: Backup) -> None:
    """Every MP3 that was finished downloads; the rest goes on to its end."""
    backup.require_some_of_each()
    with httpx.Client(base_url=service.url, headers={"Authorization": backup.token}, timeout=60) as client:
        for job_id, state in backup.states.items():
            job = wait_for_end(client, job_id, timeout_s=120)
            assert job["state"] == "finished", (state, job)
            result = job["result"]
            assert isinstance(result, dict)
            mp3 = client.get(f"/v1/conversions/{job_id}/mp3").raise_for_status().content
            assert hashlib.sha256(mp3).hexdigest() == result["sha256"]


def _some_are_finished(client: httpx.Client) -> bool:
    jobs = client.get("/v1/conversions", params={"limit": 100}).json()["items"]
    return [job["state"] for job in jobs].count("finished") >= 2


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Long enough that one conversion runs while others wait."""
    return make_video(tmp_path_factory.mktemp("clip") / "clip.mp4", 45)


def test_sqlite_and_a_folder(tmp_path: Path, clip: Path, mail_server: SMTPServer) -> None:
    backup_folder, old, new = (tmp_path / name for name in ("backup", "old", "new"))
    for folder in (backup_folder, old, new):
        folder.mkdir()
    login = {"VIDEO2MP3_REQUIRE_LOGIN": "true", "VIDEO2MP3_WORKER_SLOTS": "1"}
    with embedded(old, mail_server, login) as service, service.user() as client:
        with Load(client, clip):
            wait_until(lambda: _some_are_finished(client), 120, "the first results")
            script = commands("SQLite and a folder", "back up")
            run_shell(script, VIDEO2MP3_DATA_DIR=str(old / "data"), BACKUP=str(backup_folder))
        backup = read_backup(f"sqlite:///{backup_folder / 'video2mp3.db'}", client)
    shutil.rmtree(old)
    script = commands("SQLite and a folder", "restore")
    run_shell(script, VIDEO2MP3_DATA_DIR=str(new / "data"), BACKUP=str(backup_folder))
    with embedded(new, mail_server, login) as service:
        check_restored(service, backup)


def _copy_objects(env: Mapping[str, str], target: Bucket, folder: Path) -> None:
    """Copies the service's bucket, as the store's own means would."""
    url, endpoint, region, key, secret = (
        env[f"VIDEO2MP3_{name}"]
        for name in ("STORAGE_URL", "S3_ENDPOINT_URL", "S3_REGION", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY")
    )
    old, new = Bucket(url, endpoint, region, key, secret).open(folder), target.open(folder)
    for stored in old.list(""):
        path = folder / "object"
        path.write_bytes(old.read(stored.key, 0, stored.size_bytes))
        new.put_file(stored.key, path)
    old.close()
    new.close()


def test_mysql_and_an_object_store(
    tmp_path: Path, clip: Path, mail_server: SMTPServer, mariadb: MariaDBServer, rabbitmq: RabbitMQServer, s3: S3Server
) -> None:
    require_program("mariadb-dump")
    section = "MySQL or MariaDB, and an object store"
    backup_folder, old, new = (tmp_path / name for name in ("backup", "old", "new"))
    for folder in (backup_folder, old, new):
        folder.mkdir()

    def run_on(url: str, what: str) -> None:
        at = make_url(url)
        env = {"AT": f"--host={at.host} --port={at.port} --user={at.username}", "MYSQL_PWD": at.password}
        env |= {"DATABASE": at.database, "BACKUP": str(backup_folder)}
        run_shell(commands(section, what), **{name: str(value) for name, value in env.items()})

    restored_url, restored_bucket = mariadb.new_database(), s3.new_bucket()
    with (
        distributed(old, mail_server, mariadb, rabbitmq, s3, apis=1, workers=1) as service,
        service.user() as client,
        Load(client, clip),
    ):
        wait_until(lambda: _some_are_finished(client), 120, "the first results")
        run_on(service.env["VIDEO2MP3_DATABASE_URL"], "back up")
        _copy_objects(service.env, restored_bucket, tmp_path)
    run_on(restored_url, "restore")
    backup = read_backup(restored_url, client)
    env = {"VIDEO2MP3_DATABASE_URL": restored_url, "VIDEO2MP3_STORAGE_URL": restored_bucket.url}
    # The broker is empty, as a new one is.
    with distributed(new, mail_server, mariadb, rabbitmq, s3, apis=1, workers=1, env=env) as service:
        check_restored(service, backup)
