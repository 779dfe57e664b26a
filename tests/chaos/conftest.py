"""Servers, clips and clusters."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest

from tests.chaos.clips import Clip, make_clips
from tests.chaos.cluster import Cluster, Servers, running
from tests.chaos.figures import LONG
from tests.servers import MariaDBServer, RabbitMQServer, S3Server, SMTPServer

RunCluster = Callable[..., AbstractContextManager[Cluster]]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out the long tests, unless they are asked for."""
    left_out = [] if LONG else [item for item in items if getattr(getattr(item, "obj", None), "is_long", False)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    """Short videos of different lengths."""
    return make_clips(tmp_path_factory.mktemp("clips"), *((1, 3, 6, 10) if LONG else (1, 3)))


@pytest.fixture
def servers(mariadb: MariaDBServer, rabbitmq: RabbitMQServer, s3: S3Server, smtp: SMTPServer) -> Iterator[Servers]:
    """The servers of one test; the broker is running again afterwards, whatever the test did to it."""
    yield Servers(mariadb, rabbitmq, s3, smtp)
    if not rabbitmq.is_running():
        rabbitmq.start(wipe=True)


@pytest.fixture
def run_cluster(tmp_path: Path, servers: Servers) -> RunCluster:
    """Runs a cluster of this test's own."""
    return partial(running, tmp_path, servers)
