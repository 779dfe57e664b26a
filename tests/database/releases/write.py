"""Writes the database of this version into a folder here: `make schema-fixture`.

A service of this version is used through its API until each table has rows, and then killed.
"""

import base64
import json
import re
import sqlite3
import sys
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import text

import video2mp3
from tests.acceptance.service import PASSWORD as SERVICE_PASSWORD
from tests.acceptance.service import Service, embedded, notifications_to, wait_for_end
from tests.database.releases import FOLDER, PASSWORD
from tests.servers import MariaDBServer, SMTPServer, free_port, wait_until
from tests.worker.system import make_wav
from video2mp3.database import migrate
from video2mp3.database.connection import Database
from video2mp3.database.tables import Base
from video2mp3.storage.disk import DiskStorage

_TEN_YEARS_S = str(10 * 365 * 86_400)
_EMAIL = "ada@example.org"
_OPTIONS = {"preset": "voice"}
_CHANGELOG = Path(__file__).parents[3] / "CHANGELOG.md"


def main() -> None:
    version = video2mp3.__version__
    folder = FOLDER / version
    if folder.exists() and re.search(rf"^## \[?{re.escape(version)}\b", _CHANGELOG.read_text(), re.MULTILINE):
        sys.exit(f"{version} is released: its database stays as it is. Set the next version in pyproject.toml.")
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        _write_rows(folder, Path(scratch))
    _write_mariadb(folder)
    print(f"Wrote {folder.relative_to(Path.cwd())}.")


def _write_rows(folder: Path, scratch: Path) -> None:
    smtp, receiver_port = SMTPServer(), free_port()
    smtp.start()
    env = {
        "VIDEO2MP3_UPLOAD_RETENTION_S": _TEN_YEARS_S,
        "VIDEO2MP3_RESULT_RETENTION_S": _TEN_YEARS_S,
        "VIDEO2MP3_ALLOWED_NETWORKS": "127.0.0.0/8",
        "VIDEO2MP3_ALLOWED_PORTS": str(receiver_port),
    }
    with embedded(scratch, smtp, env) as service:
        known = _use(service, f"http://127.0.0.1:{receiver_port}/hook")
        service.roles["serve"].kill()
    smtp.close()
    with closing(sqlite3.connect(scratch / "data" / "video2mp3.db")) as database:
        database.execute("UPDATE workers SET host = 'worker.example.org'")
        (folder / "sqlite.sql").write_text("".join(_sqlite_tables(database)), encoding="utf-8")
        (folder / "rows.sql").write_text("".join(_rows(database)), encoding="utf-8")
    storage = DiskStorage(scratch / "data" / "storage")
    objects = {item.key: storage.read(item.key, 0, item.size_bytes) for item in storage.list("")}
    texts = {key: base64.b64encode(zlib.compress(objects[key], 9)).decode() for key in sorted(objects)}
    (folder / "objects.json").write_text(json.dumps(texts, indent=1) + "\n")
    (folder / "known.json").write_text(json.dumps(known, indent=1) + "\n")


def _use(service: Service, receiver: str) -> dict[str, Any]:
    """Does what fills the tables; returns what no row tells."""
    assert SERVICE_PASSWORD == PASSWORD
    with service.user("ada", email=_EMAIL) as ada, httpx.Client(base_url=service.url, timeout=60) as local:
        key = _post(ada, "/v1/api-keys", {"name": "laptop", "scopes": ["convert", "read"]})["key"]
        hook = _post(ada, "/v1/webhooks", {"url": receiver})["id"]
        _post(local, "/v1/invitations", {})
        _post(ada, "/v1/password-resets", {"username": "ada"})
        local.post("/v1/sessions", json={"username": "ada", "password": "wrong"})
        upload = ada.post("/v1/uploads?name=talk.wav", content=make_wav(0.1)).raise_for_status().json()["id"]
        order = {"upload_id": upload, "options": _OPTIONS}
        finished = _post(ada, "/v1/conversions", order | {"email_notifications": True, "tag": "Grüße"})["id"]
        wait_for_end(ada, finished)
        _post(ada, f"/v1/conversions/{finished}/links", {})
        (batched,) = _post(ada, "/v1/batches", {"items": [{"upload_id": upload}], "options": _OPTIONS})["conversions"]
        wait_for_end(ada, batched["id"])
        wait_until(lambda: notifications_to(service, _EMAIL), 60, "the email")
        deliveries = f"/v1/webhooks/{hook}/deliveries"
        wait_until(lambda: any(d["problem"] for d in ada.get(deliveries).json()["items"]), 60, "a failed delivery")
        (worker,) = local.get("/v1/admin/workers").raise_for_status().json()
        _post(local, f"/v1/admin/workers/{worker['id']}/drain", {})
        wait_until(lambda: local.get("/v1/admin/workers").json()[0]["state"] == "drained", 60, "the worker to drain")
        waiting = _post(ada, "/v1/conversions", order)["id"]
        return {
            "api_key": key,
            "batched": batched["id"],
            "finished": finished,
            "username": "ada",
            "waiting": waiting,
        }


def _post(client: httpx.Client, path: str, body: Mapping[str, Any]) -> Any:
    response = client.post(path, json=dict(body)).raise_for_status()
    return response.json() if response.content else None


def _sqlite_tables(database: sqlite3.Connection) -> Iterator[str]:
    for (statement,) in database.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid"):
        yield re.sub(r"[ \t]+\n", "\n", statement) + ";\n"
    yield _revision()


def _rows(database: sqlite3.Connection) -> Iterator[str]:
    """Yields one INSERT for each row, with literals that SQLite and MySQL read alike."""
    for table in Base.metadata.sorted_tables:
        columns = ", ".join(column.name for column in table.columns)
        keys = ", ".join(column.name for column in table.primary_key)
        rows = database.execute(f"SELECT {columns} FROM {table.name} ORDER BY {keys}").fetchall()
        if not rows:
            sys.exit(f"The table {table.name} has no rows: do in {__file__} what fills it.")
        for row in rows:
            yield f"INSERT INTO {table.name} ({columns}) VALUES ({', '.join(map(_literal, row))});\n"


def _literal(value: float | str | bytes | None) -> str:
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return "NULL" if value is None else repr(value)


def _write_mariadb(folder: Path) -> None:
    server = MariaDBServer()
    try:
        server.start()
        with closing(Database(server.new_database())) as database:
            migrate.upgrade(database)
            with database.read() as session:
                names = [table.name for table in Base.metadata.sorted_tables] + ["alembic_version"]
                tables = [session.execute(text(f"SHOW CREATE TABLE {name}")).one()[1] for name in names]
        (folder / "mariadb.sql").write_text("".join(f"{table};\n" for table in tables) + _revision(), encoding="utf-8")
    finally:
        server.close()


def _revision() -> str:
    return f"INSERT INTO alembic_version (version_num) VALUES ('{migrate.head()}');\n"


if __name__ == "__main__":
    main()
