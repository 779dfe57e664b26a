"""A disk without a free byte: users make room by deleting what they stored."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.api.conftest import SignedIn
from tests.api.stored import convert, finish, upload
from tests.servers.disks import small_disk
from video2mp3.api.frame.services import Services
from video2mp3.settings import Settings, load_settings
from video2mp3.storage.disk import DiskStorage

MIB = 1024**2


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    """Everything is on a disk of 16 MiB."""
    with small_disk(tmp_path / "disk", 16 * MIB) as folder:
        yield load_settings(data_dir=folder, min_free_disk_bytes=0)


@pytest.fixture
def services(services: Services, settings: Settings) -> Iterator[Services]:
    storage = DiskStorage(settings.data_dir / "storage")
    yield replace(services, storage=storage)
    storage.close()


def fill(services: Services) -> None:
    """Leaves no byte, and nothing in the database's log that could be overwritten."""
    with services.database.engine.connect() as connection:
        driver = connection.connection.dbapi_connection
        assert driver is not None
        driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute(text("SELECT 1"))
    with (services.settings.data_dir / "ballast").open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(64 * 1024)):
            pass


@pytest.mark.parametrize("kind", ["conversions", "batches", "uploads"])
def test_what_is_stored_can_be_deleted(kind: str, services: Services, ada: SignedIn) -> None:
    """It should make the room that the deletion itself needs."""
    if kind == "uploads":
        item = upload(ada.http, bytes(2 * MIB))
    elif kind == "conversions":
        item = convert(ada.http)
        finish(services, item, bytes(2 * MIB))
    else:
        source = {"upload_id": upload(ada.http)}
        batch = ada.http.post("/v1/batches", json={"items": [source]}).raise_for_status().json()
        item = batch["id"]
        finish(services, batch["conversions"][0]["id"], bytes(2 * MIB))
    fill(services)
    assert ada.http.post("/v1/uploads", content=b"more").status_code == 507
    deleted = ada.http.delete(f"/v1/{kind}/{item}")
    assert deleted.status_code == 204, deleted.text
    assert ada.http.get(f"/v1/{kind}/{item}").status_code == 404
