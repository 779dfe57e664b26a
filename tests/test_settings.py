"""The settings as the environment gives them."""

from pathlib import Path

import pytest

from video2mp3.settings import default_data_dir, load_settings


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """It should not take an empty folder for the current one, nor an empty port for a wrong one."""
    monkeypatch.setenv("VIDEO2MP3_DATA_DIR", "")
    monkeypatch.setenv("VIDEO2MP3_PORT", "")
    settings = load_settings()
    assert (settings.data_dir, settings.port) == (default_data_dir(), 8000)
    monkeypatch.setenv("VIDEO2MP3_PORT", "8001")
    assert load_settings().port == 8001


def test_messages_name_what_chose_a_part(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It should be the part's own variable where it is set, else the data folder."""
    monkeypatch.delenv("VIDEO2MP3_DATABASE_URL", raising=False)
    monkeypatch.setenv("VIDEO2MP3_DATA_DIR", str(tmp_path))
    assert load_settings().origin("database_url") == f"VIDEO2MP3_DATA_DIR={tmp_path}"
    monkeypatch.setenv("VIDEO2MP3_DATABASE_URL", "sqlite:///elsewhere.db")
    assert load_settings().origin("database_url") == "VIDEO2MP3_DATABASE_URL"
