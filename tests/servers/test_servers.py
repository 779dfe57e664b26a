"""The tests' own servers start, answer, end and start again."""

import smtplib
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect
from sqlalchemy.engine import make_url

from tests.acceptance.service import Role
from tests.servers import MariaDBServer, RabbitMQServer, S3Server, SMTPServer, require_program


def test_rabbitmq_is_killed_wiped_and_started_again_on_the_same_port(rabbitmq: RabbitMQServer) -> None:
    assert rabbitmq.url.endswith(f":{rabbitmq.port}/")
    rabbitmq.kill()
    rabbitmq.start(wipe=True)
    assert "guest" in rabbitmq.ctl("list_users")
    rabbitmq.clear()


def test_mariadb_gives_each_test_an_empty_database(mariadb: MariaDBServer) -> None:
    first, second = make_url(mariadb.new_database()), make_url(mariadb.new_database())
    assert first.database != second.database
    engine = create_engine(first)
    assert inspect(engine).get_table_names() == []
    engine.dispose()


def test_s3_gives_each_test_an_empty_bucket(s3: S3Server) -> None:
    bucket = s3.new_bucket()
    with urllib.request.urlopen(f"{bucket.endpoint_url}/{bucket.name}") as answer:
        assert b"ListBucketResult" in answer.read()


def test_smtp_keeps_the_emails(smtp: SMTPServer) -> None:
    with smtplib.SMTP(smtp.host, smtp.port) as client:
        client.sendmail("a@localhost", ["b@localhost"], "Subject: Grüße\n\nDein MP3\n".encode())
    assert "MP3" in smtp.wait_for_email().get_content()


def test_a_missing_program_skips_a_test_but_fails_it_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-program is not installed"):
        require_program("no-such-program")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no-such-program is missing"):
        require_program("no-such-program")
    assert Path(require_program("no-such-program", "sh")).exists()


@pytest.mark.parametrize(
    "start",
    [
        lambda folder: MariaDBServer().start(),
        lambda folder: RabbitMQServer().start(),
        lambda folder: S3Server().start(),
        lambda folder: SMTPServer().start(),
        lambda folder: Role(folder, "serve", ["serve"], {}),
    ],
    ids=["mariadb", "rabbitmq", "s3", "smtp", "service"],
)
def test_a_fast_run_skips_what_starts_a_server(
    start: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TESTS_FAST", "1")
    with pytest.raises(pytest.skip.Exception, match="fast runs start none"):
        start(tmp_path)
