"""The examples of docs/settings.md, as they stand there, with real servers."""

import ipaddress
import re
from contextlib import closing
from pathlib import Path

import pytest

from tests.notify.test_conversation import Server, running
from tests.servers import Bucket
from video2mp3.settings import Settings, load_settings
from video2mp3.wiring import make_mailer, open_storage

DOCUMENT = Path(__file__).parents[1] / "docs" / "settings.md"


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """What the examples set; the files that they name hold a secret."""
    secret = tmp_path / "secret"
    secret.write_text("correct horse\n")
    found = re.findall(r"^(VIDEO2MP3_\w+)=(.*)$", DOCUMENT.read_text(), re.MULTILINE)
    given = {name: str(secret) if name.endswith("_FILE") else value for name, value in found}
    assert len(given) == len(found) > 10
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return given


def changed(**values: object) -> Settings:
    """The examples' settings, with some that lead to the tests' own servers."""
    return load_settings(**values)


def test_the_example_of_a_proxy_makes_public_links(variables: dict[str, str]) -> None:
    settings = changed()
    assert settings.effective_public_url == "https://mp3.example.org"
    assert settings.proxies == (ipaddress.ip_network("127.0.0.1/32"),)
    assert not settings.is_local


def test_the_example_of_a_bucket_stores(variables: dict[str, str], bucket: Bucket, tmp_path: Path) -> None:
    assert {"VIDEO2MP3_STORAGE_URL", "VIDEO2MP3_S3_ENDPOINT_URL"} <= variables.keys()
    access = {"s3_access_key_id": bucket.access_key_id, "s3_secret_access_key": bucket.secret_access_key}
    settings = changed(storage_url=f"s3://{bucket.name}/results", s3_endpoint_url=bucket.endpoint_url, **access)
    with closing(open_storage(settings.model_copy(update={"data_dir": tmp_path}))) as storage:
        storage.check()


def test_the_example_of_email_sends(variables: dict[str, str]) -> None:
    assert {"VIDEO2MP3_SMTP_HOST", "VIDEO2MP3_SMTP_USERNAME", "VIDEO2MP3_SMTP_FROM"} <= variables.keys()
    with running(Server()) as server:
        settings = changed(smtp_host="127.0.0.1", smtp_port=server.port, smtp_security="none", smtp_username="")
        mailer = make_mailer(settings)
        assert mailer is not None
        assert "takes emails from mp3@example.org" in mailer.check()
