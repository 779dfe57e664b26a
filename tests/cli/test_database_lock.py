"""The lock on an SQLite database, where the system refuses it."""

import errno
import fcntl
import os
from pathlib import Path

import pytest

from tests.cli.test_commands import run
from video2mp3.cli.roles.database_lock import hold_alone, hold_with_others, recorded_url
from video2mp3.errors import ConfigurationError
from video2mp3.settings import Settings, load_settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(data_dir=tmp_path)


def test_a_lock_file_that_cannot_be_opened_is_one_sentence(tmp_path: Path) -> None:
    """It should be so for a role that starts; a command beside it goes on."""
    data = tmp_path / "data"
    lock = data / "video2mp3.db.lock"
    lock.mkdir(parents=True)
    started = run(tmp_path, "serve", "--port", "0", VIDEO2MP3_DATA_DIR=str(data))
    assert (started.returncode, started.stderr.splitlines()[-1]) == (
        1,
        f"video2mp3: The lock {lock} cannot be used (Is a directory); make it a file that this user may write, on a "
        "file system with locks, or choose another folder with --data-dir (VIDEO2MP3_DATA_DIR).",
    )
    assert "Traceback" not in started.stderr
    assert recorded_url(load_settings(data_dir=data)) is None


def test_a_file_system_without_locks_is_one_sentence(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """It should be so for every role: some NFS servers refuse so."""

    def refuse(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    with hold_alone(settings) as record_url:
        record_url("http://localhost:8000")
        assert recorded_url(settings) == "http://localhost:8000"
    monkeypatch.setattr(fcntl, "flock", refuse)
    for hold in (hold_alone, hold_with_others):
        with (
            pytest.raises(ConfigurationError, match=r"\.db\.lock cannot be used \(No locks available\); "),
            hold(settings),
        ):
            pass
    assert recorded_url(settings) is None


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:{folder}/x.db?uri=true"])
def test_a_database_that_is_no_file_has_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load_settings(data_dir=tmp_path, database_url=url.format(folder=tmp_path))
    with hold_alone(settings), hold_with_others(settings):
        assert recorded_url(settings) is None
    assert list(tmp_path.iterdir()) == []
