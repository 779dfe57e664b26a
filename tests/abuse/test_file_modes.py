"""Another account of the machine, where the data folder was made with open modes before the service started."""

import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import jwt
import pytest

from tests.abuse.conftest import StartService
from tests.acceptance.service import Service

NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="Only root can act as another account."
)


def without_private_files() -> None:
    """The umask stays what it was, and no mode is changed."""
    from video2mp3 import cli
    from video2mp3.database import connection
    from video2mp3.storage import disk

    cli._keep_files_private = lambda command: None
    connection.make_file = connection.close_to_others = lambda path: None  # type: ignore[attr-defined]
    disk.make_folder = lambda folder: folder.mkdir(exist_ok=True)  # type: ignore[attr-defined]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody can look into, where every account can come to."""
    folder = Path(tempfile.mkdtemp(dir="/tmp", prefix="video2mp3-modes-"))
    folder.chmod(0o755)
    umask = os.umask(0o022)
    yield folder
    os.umask(umask)
    shutil.rmtree(folder)


def readable_by_others(folder: Path) -> list[Path]:
    find = subprocess.run(
        [*NOBODY, "find", str(folder), "-type", "f", "-readable"], capture_output=True, text=True, check=False
    )
    return [Path(line) for line in find.stdout.splitlines()]


def forge_token(database: Path, folder: Path) -> str:
    """Signs a token as the newest session's user, with what another account reads of the database."""
    for name in (database.name, f"{database.name}-wal"):
        read = subprocess.run([*NOBODY, "cat", str(database.with_name(name))], capture_output=True, check=True)
        (folder / name).write_bytes(read.stdout)
    copy = sqlite3.connect(folder / database.name)
    kid, pem = copy.execute("SELECT id, private_pem FROM signing_keys").fetchone()
    session_id, user_id = copy.execute("SELECT id, user_id FROM sign_ins ORDER BY id DESC").fetchone()
    copy.close()
    now_s = int(time.time())
    claims = {"iss": "video2mp3", "aud": "video2mp3", "sub": user_id, "sid": session_id, "jti": "x"}
    times = {"iat": now_s, "exp": now_s + 60}
    return jwt.encode(claims | times, pem, algorithm="EdDSA", headers={"kid": kid, "typ": "at+jwt"})


def use(service: Service) -> str:
    """Somebody uses the service; returns the name."""
    with service.user("ada") as ada:
        ada.post("/v1/uploads", content=b"secret" * 1000).raise_for_status()
        name: str = ada.get("/v1/me").json()["username"]
        return name


def test_another_account_reads_nothing(start_service: StartService, open_folder: Path) -> None:
    """It should be so for what is new, and for a database of before."""
    old = open_folder / "video2mp3.db"
    old.touch(mode=0o644)
    with start_service(data_dir=open_folder) as service:
        use(service)
        assert readable_by_others(open_folder) == []
        assert old.stat().st_mode & 0o777 == 0o600
        assert "file_mode_tightened" in service.logs()


def test_with_open_modes_another_account_signs_in_as_anybody(
    start_service: StartService, open_folder: Path, tmp_path: Path
) -> None:
    with start_service(without_private_files, data_dir=open_folder) as service:
        name = use(service)
        assert len(readable_by_others(open_folder)) >= 3
        token = forge_token(open_folder / "video2mp3.db", tmp_path)
        me = httpx.get(f"{service.url}/v1/me", headers={"Authorization": f"Bearer {token}"})
        assert me.json()["username"] == name
