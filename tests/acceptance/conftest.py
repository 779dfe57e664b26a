"""The service of both kinds, and a video to convert."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.service import Service, distributed, embedded
from tests.media import make_video
from tests.servers import MariaDBServer, RabbitMQServer, S3Server, SMTPServer

LONG_TALK_S = 120


@pytest.fixture(scope="package")
def mail_server() -> Iterator[SMTPServer]:
    """One mail server for all services."""
    server = SMTPServer()
    server.start()
    yield server
    server.close()


@pytest.fixture(scope="module", params=["embedded", "distributed"])
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, mail_server: SMTPServer
) -> Iterator[Service]:
    """A running service, of each kind; shared by a module's tests, which do it no harm.

    The tests of the main job start it as users do.
    """
    is_cold = request.module.__name__.endswith("test_main_job")
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "embedded":
        with embedded(folder, mail_server, is_cold=is_cold) as service:
            yield service
        return
    mariadb: MariaDBServer = request.getfixturevalue("mariadb")
    rabbitmq: RabbitMQServer = request.getfixturevalue("rabbitmq")
    s3: S3Server = request.getfixturevalue("s3")
    with distributed(folder, mail_server, mariadb, rabbitmq, s3, is_cold=is_cold) as service:
        yield service


@pytest.fixture(scope="session")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A 30-second H.264 + AAC video with a title."""
    return make_video(tmp_path_factory.mktemp("talk") / "talk.mp4", 30)


@pytest.fixture(scope="session")
def long_talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video that takes some seconds to convert."""
    return make_video(tmp_path_factory.mktemp("talk") / "long-talk.mp4", LONG_TALK_S)
